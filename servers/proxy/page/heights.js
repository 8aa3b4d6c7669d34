// How high texts will be that are not laid out yet: what is looked for far below is then where it was expected.

/** So much of a line is written on: the word that does not fit begins the next one. */
const FILLED = 0.97;

/** For paragraphs in `root`, as wide as it is now. */
export class Heights {
  #pen = document.createElement("canvas").getContext("2d");
  #lineWidth;
  #lineHeight;
  #paragraph = null;
  #width = 0;

  constructor(root) {
    const style = getComputedStyle(root);
    this.#pen.font = `${style.fontSize} ${style.fontFamily}`;
    this.#lineWidth = root.clientWidth * FILLED;
    this.#lineHeight = parseFloat(style.lineHeight);
  }

  /** That paragraph, which has `content-visibility: auto`, has so much more text: all of it comes this way. */
  grow(paragraph, text) {
    if (paragraph !== this.#paragraph) this.#width = 0;
    this.#paragraph = paragraph;
    this.#width += this.#pen.measureText(`${text} `).width;
    const lines = Math.ceil(this.#width / this.#lineWidth);
    paragraph.style.containIntrinsicHeight = `auto ${lines * this.#lineHeight}px`;
  }
}
