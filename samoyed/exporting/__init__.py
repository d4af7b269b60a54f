"""A trained run as a file for other runtimes.

| file | holds |
| --- | --- |
| graph.py | what is exported of a run |
| graphs.py | the whole answer of tasks on texts and series, from raw numbers to probabilities, as one module with named inputs |
| seen.py | the same of tasks on pictures, clips and volumes |
| sounds.py | the same of classifiers of recordings |
| recurrent.py | recurrent layers as ONNX's own operators |
| onnx_file.py | the file, its check against the run, its int8 twin |
| script.py | the stand-alone script beside it |
"""
