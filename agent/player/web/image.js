// image puts a picture into parent and resolves once it is decoded, so that it can be painted without a wait.
export async function image(item, parent) {
  const element = document.createElement('img');
  element.alt = '';
  // Painted together with what else changes in that frame, never a frame later.
  element.decoding = 'sync';
  element.src = `assets/${item.asset}`;
  parent.append(element);
  try {
    await element.decode();
  } catch {
    throw new Error('the picture can\'t be loaded or decoded');
  }
  return {start: async () => {}, ended: null};
}
