// fit sets the font of an element as large as its box allows, up to a share of the box's height.
export function fit(element, box, share) {
  const style = getComputedStyle(box);
  const width = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const height = box.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  let low = 4;
  let high = Math.max(low, height * share);
  while (high - low > 0.5) {
    const middle = (low + high) / 2;
    element.style.fontSize = `${middle}px`;
    // Not its bounding rectangle, which turns with the screen.
    if (element.offsetWidth <= width && element.offsetHeight <= height) low = middle;
    else high = middle;
  }
  element.style.fontSize = `${low}px`;
}
