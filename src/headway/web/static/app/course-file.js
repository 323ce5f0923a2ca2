// Puts the text of a chosen file into the form, where it can be read and changed before it is sent.

const input = document.getElementById("file");
const text = document.querySelector("#course-file textarea");
input.closest("[hidden]").hidden = false;
input.addEventListener("change", async () => {
  const [file] = input.files;
  if (file) {
    text.value = await file.text();
    text.focus();
  }
});
