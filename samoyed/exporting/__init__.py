"""A trained run as a file for other runtimes.

| file | holds |
| --- | --- |
| graphs.py | each task's whole answer, from raw numbers to probabilities, as one module with named inputs |
| recurrent.py | recurrent layers as ONNX's own operators |
| onnx_file.py | the file, its check against the run, its int8 twin |
| script.py | the stand-alone script beside it |
"""
