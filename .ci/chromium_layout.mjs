// What is wrong with the layout of a page. `.ci/chromium.mjs` runs this function inside the browser, at each width and
// for each paper. It therefore uses nothing from outside itself.
//
// It measures text, not boxes: each piece of text has a rectangle for each of its lines.

/**
 * Returns [{ selector, kind, text }], the faults of the document at the width that it has now.
 *
 * On paper, `width` is that of the text area, which can differ from the width that media queries see.
 */
export function findLayoutFaults({ printed, width = document.documentElement.clientWidth }) {
  const faults = [];
  const root = document.documentElement;
  const report = (element, kind, text) => faults.push({ selector: selectorOf(element), kind, text });

  /** Names an element as a style sheet would: its section, table, cell and itself. */
  function selectorOf(element) {
    const path = [element.closest("[id]"), element.closest("table"), element.closest("td, th"), element];
    const names = [...new Set(path)].filter(Boolean).map((each) => {
      const column = each.matches("td, th") ? `:nth-child(${1 + [...each.parentElement.children].indexOf(each)})` : "";
      return each.id ? `#${each.id}` : [each.localName, ...each.classList].join(".") + column;
    });
    return names.join(" ");
  }

  const shortened = (text) => {
    const plain = text.trim().replace(/\s+/g, " ");
    return plain.length > 40 ? `${plain.slice(0, 40)}…` : plain;
  };

  /** Returns the rectangles of a part of a text, without empty ones. */
  function rectanglesOf(node, start, end) {
    const range = document.createRange();
    range.setStart(node, start);
    range.setEnd(node, end);
    return [...range.getClientRects()].filter((each) => each.width > 0 && each.height > 0);
  }

  /** Counts lines: rectangles whose middles differ by more than half of their height. */
  function countLines(rectangles) {
    let lines = 0;
    let last = -Infinity;
    for (const each of [...rectangles].sort((a, b) => a.top - b.top)) {
      const middle = (each.top + each.bottom) / 2;
      if (middle - last > each.height / 2) {
        lines += 1;
        last = middle;
      }
    }
    return lines;
  }

  /** Returns the words of a text that match a pattern and are broken over at least so many lines. */
  function* brokenWords(node, pattern, least) {
    for (const match of node.data.matchAll(pattern)) {
      const lines = countLines(rectanglesOf(node, match.index, match.index + match[0].length));
      if (lines >= least) yield { word: match[0], lines };
    }
  }

  const boxOf = (element) => {
    let at = element;
    while (at.parentElement && ["inline", "contents"].includes(getComputedStyle(at).display)) at = at.parentElement;
    return at;
  };

  /** Returns the width that a box has for text, in pixels and in its own em. */
  function roomOf(box) {
    const style = getComputedStyle(box);
    const pixels = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const em = pixels / parseFloat(style.fontSize);
    return { em, size: `${Math.round(pixels)} px (${em.toFixed(1)} em) wide` };
  }

  /** Text in a box without room for it: broken words, a few letters a line, or many short lines. */
  function checkCollapsed(node, rectangles) {
    const box = boxOf(node.parentElement);
    const lines = countLines(rectangles);
    const { em, size } = roomOf(box);
    const letters = node.data.replace(/\s+/g, "").length;
    const isBad = (each) => (each.lines > 2 ? each.word.length / each.lines < 6 : em < 6 && each.word.length < 16);
    const split = [...brokenWords(node, /\p{L}{4,}/gu, 2)].find(isBad);
    if (split) {
      report(box, "collapsed", `${size}, "${split.word}" is broken over ${split.lines} lines`);
    } else if ((em < 3 && lines > 3) || (lines >= 6 && letters / lines < 8)) {
      report(box, "collapsed", `${size}, "${shortened(node.data)}" takes ${lines} lines`);
    } else if (box.closest("thead th, [scope=col], [role=columnheader]")) {
      for (const { word } of brokenWords(node, /\p{L}{2,}/gu, 2)) report(box, "broken heading", `"${word}", ${size}`);
    }
    const numbers = /(?<!\S)\d[\d.,]*%?(?!\S)/g;
    for (const { word } of brokenWords(node, numbers, 2)) report(box, "broken number", `${word}, ${size}`);
  }

  /** Narrow cells whose texts are wrapped more than twice in all. A cell with a short text on each line is fine. */
  function checkCells(wrapsOf) {
    for (const [cell, wraps] of wrapsOf) {
      const { em, size } = roomOf(cell);
      const text = `${size}, "${shortened(cell.textContent)}" is wrapped ${wraps} times`;
      if (em < 3 && wraps > 2) report(cell, "collapsed", text);
    }
  }

  /** Whether an element hides what lies outside it, across and down. Paper does not scroll. */
  function clipsOf(style) {
    const hiding = printed ? ["hidden", "clip", "auto", "scroll"] : ["hidden", "clip"];
    return { across: hiding.includes(style.overflowX), down: hiding.includes(style.overflowY) };
  }

  /** Text for screen readers only is hidden on purpose: it has a box of one pixel, or a clip path. */
  function isForScreenReaders(element) {
    for (let at = element; at && at !== root; at = at.parentElement) {
      const style = getComputedStyle(at);
      const { across, down } = clipsOf(style);
      if (style.clipPath !== "none") return true;
      if ((across || down) && Math.min(at.clientWidth, at.clientHeight) <= 1) return true;
    }
    return false;
  }

  /** Text that an ancestor cuts off. */
  function checkCut(node, rectangles) {
    for (let at = boxOf(node.parentElement); at && at !== root; at = at.parentElement) {
      const clips = clipsOf(getComputedStyle(at));
      const edge = at.getBoundingClientRect();
      const across = (each) => Math.max(edge.left - each.left, each.right - edge.right) > 1;
      const down = (each) => Math.max(edge.top - each.top, each.bottom - edge.bottom) > each.height / 4;
      if (rectangles.some((each) => (clips.across && across(each)) || (clips.down && down(each)))) {
        report(at, "cuts off text", `"${shortened(node.data)}"`);
        return;
      }
    }
  }

  /** Text that lies across the edge of its box, where it covers what is next to it. */
  function checkInside(node, rectangles) {
    const box = boxOf(node.parentElement);
    if (box.closest("svg") || getComputedStyle(box).overflowX !== "visible") return;
    const { left, right } = box.getBoundingClientRect();
    if (rectangles.some((each) => each.left < left - 2 || each.right > right + 2)) {
      report(box, "text leaves its box", `"${shortened(node.data)}"`);
    }
  }

  /** Elements that are wider than the document may be. The innermost ones are the cause. */
  function checkSideways() {
    const escapes = (element) => {
      if (element.getBoundingClientRect().right <= width + 1) return false;
      for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
        if (getComputedStyle(at).overflowX !== "visible") return false;
      }
      return true;
    };
    const all = [...document.body.querySelectorAll("*")].filter(escapes);
    const inner = all.filter((element) => !all.some((other) => other !== element && element.contains(other)));
    const scrolls = !printed && root.scrollWidth > root.clientWidth;
    for (const element of inner.length === 0 && scrolls ? [root] : inner) {
      const right = element === root ? root.scrollWidth : Math.ceil(element.getBoundingClientRect().right);
      report(element, "too wide", `reaches ${right} px, the ${printed ? "paper" : "window"} has ${width} px`);
    }
  }

  checkSideways();
  const wrapsOf = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const isShown = element.checkVisibility({ visibilityProperty: true }) && !isForScreenReaders(element);
    if (!isShown || !node.data.trim()) continue;
    const rectangles = rectanglesOf(node, 0, node.length);
    if (rectangles.length === 0) continue;
    const cell = element.closest("td, th");
    if (cell) wrapsOf.set(cell, (wrapsOf.get(cell) ?? 0) + countLines(rectangles) - 1);
    checkCollapsed(node, rectangles);
    checkCut(node, rectangles);
    checkInside(node, rectangles);
  }
  checkCells(wrapsOf);
  return faults;
}
