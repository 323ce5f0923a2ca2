// Puts the text of a chosen file into a field of the same form, where it can be read and changed before it is sent.

for (const input of document.querySelectorAll("input[type=file][data-fills]")) {
  const text = input.form.elements.namedItem(input.dataset.fills);
  input.closest("[hidden]").hidden = false;
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (file) {
      text.value = await file.text();
      text.focus();
    }
  });
}
