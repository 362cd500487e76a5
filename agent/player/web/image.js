const whole = new Set(); // assets of which that is known

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
    if (element.naturalWidth > 0 && !whole.has(item.asset)) await look(element);
    whole.add(item.asset);
  } catch {
    throw new Error('the picture can\'t be loaded or decoded');
  }
  return {start: async () => {}, ended: null};
}

// look rejects for a picture of which a part is missing: browsers are content with the rest.
async function look(element) {
  const bitmap = await createImageBitmap(element, {resizeWidth: 1, resizeHeight: 1, resizeQuality: 'pixelated'});
  bitmap.close();
}
