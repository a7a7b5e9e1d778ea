// What a page must have for everybody, computed in the browser: a language, one heading of the
// first order, a name for each control, labels, alternatives, heads of tables, contrast of text as
// WCAG AA wants it. Answers a list of what is wrong.
() => {
  const wrong = [];
  const say = (element, what) => wrong.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
  const shown = (element) => element.checkVisibility({ checkVisibilityCSS: true });
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);

  if (!["ja", "en"].includes(document.documentElement.lang)) wrong.push("no language");
  if (!document.title) wrong.push("no title");
  if (all("h1").length !== 1) wrong.push(`${all("h1").length} first headings`);
  if (all("main").length !== 1) wrong.push("no main part");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`two are ${id}`);
  for (const attribute of ["aria-describedby", "aria-labelledby", "for"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      const target = element.getAttribute(attribute);
      if (!document.getElementById(target)) say(element, `${attribute} leads nowhere`);
    }
  }
  for (const element of all("input:not([type=hidden]), select, textarea")) {
    const named = element.labels.length || element.getAttribute("aria-label");
    if (!named) say(element, "no label");
  }
  for (const element of all("button, a[href]")) {
    if (!(element.textContent.trim() || element.getAttribute("aria-label"))) say(element, "no name");
  }
  for (const element of all("svg")) {
    const told = element.getAttribute("aria-label") || element.closest("[aria-hidden=true]");
    if (!told) say(element, "no alternative");
  }
  for (const element of all("nav, [role=region]")) {
    const told = element.getAttribute("aria-label") || element.getAttribute("aria-labelledby");
    if (!told) say(element, "no name");
  }
  for (const element of all("th")) if (!element.scope) say(element, "no scope");
  for (const element of all("table")) if (!element.querySelector("th")) say(element, "no heads");
  let level = 1;
  for (const heading of all("h1, h2, h3, h4")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) say(heading, "a level of headings is left out");
    level = own;
  }
  for (const element of all("[tabindex]")) {
    if (element.tabIndex > 0) say(element, "an order of its own");
  }
  for (const element of document.querySelectorAll("[aria-hidden=true]")) {
    if (element.querySelector("a[href], button, input, select, textarea")) say(element, "hidden control");
  }
  for (const element of all("button, input:not([type=hidden]), select, textarea, summary")) {
    const box = element.getBoundingClientRect();
    const label = element.labels && element.labels[0];
    const by = label ? label.getBoundingClientRect() : box;
    if (Math.max(box.height, by.height) < 24) say(element, "too small for a finger");
  }
  for (const element of all("a[href]")) {
    const inText = element.closest("p, li, td, th, small, dd");
    if (!inText && element.getBoundingClientRect().height < 24) say(element, "too small for a finger");
  }
  if (document.documentElement.scrollWidth > window.innerWidth + 1) {
    wrong.push(`wider than the window by ${document.documentElement.scrollWidth - window.innerWidth}`);
  }

  // Colours as the browser computes them, whatever they were written as.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) => {
    const mixed = [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3]));
    return [...mixed, 1];
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = ([red, green, blue]) => {
    const part = (value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const element = text.parentElement;
    if (!text.data.trim() || !shown(element) || element.closest("svg, option, .unseen, .skip")) {
      continue;
    }
    const style = getComputedStyle(element);
    const back = ground(element);
    const [one, other] = [light(over(parse(style.color), back)), light(back)];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) say(element, `contrast ${ratio.toFixed(2)}`);
  }
  return wrong;
}
