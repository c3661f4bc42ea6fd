// Streamlit: hand the library to the views of the page, whichever came first.

globalThis.attentionLibrary ||= Promise.withResolvers();
globalThis.attentionLibrary.resolve({ mount });

export default function () {}
