// Streamlit: one picture. The library comes with another element of the page.

globalThis.attentionLibrary ||= Promise.withResolvers();

export default async function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const { mount } = await globalThis.attentionLibrary.promise;
  return mount(parentElement, data, { setState: setStateValue, trigger: setTriggerValue });
}
