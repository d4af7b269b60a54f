// Files: chosen or dropped.

// A button that opens the choice of a file; `chosen` is told of it.
export function chooser(make, text, accept, chosen) {
  const input = make("input", { type: "file", accept });
  input.addEventListener("change", () => input.files[0] && chosen(input.files[0]));
  return make("label", { className: "file" }, text, input);
}

// `take` is told of what is chosen in the input or dropped on the element.
export function receives(element, input, take) {
  input.addEventListener("change", () => take(input.files[0]));
  for (const name of ["dragenter", "dragover"]) element.addEventListener(name, (event) => { event.preventDefault(); element.classList.add("over"); });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
}
