// Exercises that ask for numbers or names: a field for each, checked by the rules of the notebook.
// The rules here are those of `predict` and `same` in notebooks/cnn/exercises/checking.py; what is right,
// what is a known mistake, and all words come from there, through tools/try_forms.py.

// Values as Python has them: {type: "int" | "float" | "str" | "bool" | "tuple" | "list" | "None", value}.
const number = (type, value) => ({ type, value });

class Unreadable extends Error {}

// Reads what stands in a field: a number, an expression of numbers, a tuple, a list, or words.
export function readValue(text, expected) {
  const plain = text.trim();
  if (plain === "" || plain === "..." || plain === "…") return null;
  const quoted = /^(["'])(.*)\1$/s.exec(plain);
  if (quoted) return { type: "str", value: quoted[2] };
  if (/^(true|false)$/i.test(plain) && expected?.type !== "str") return { type: "bool", value: /^t/i.test(plain) };
  if (expected?.type === "str") return { type: "str", value: plain };
  try {
    return new Reader(plain).whole();
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { type: "str", value: plain };
  }
}

class Reader {
  constructor(text) {
    const digits = text.replace(/(\d)[,_ \u202f\u00a0](?=\d{3}(?!\d))/g, (all, digit, at) => (
      /[([]/.test(text.slice(0, at)) && text[at + 1] === "," ? all : digit));
    const known = /\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|(\*\*|\/\/|[-+*/^()[\],×·−])|((?:math\.|torch\.)?[a-z]+))/giy;
    this.tokens = [];
    this.at = 0;
    while (known.lastIndex < digits.trimEnd().length) {
      const found = known.exec(digits);
      if (!found) throw new Unreadable();
      const mark = { "×": "*", "·": "*", "−": "-", "^": "**" }[found[2]] ?? found[2];
      this.tokens.push(found[1] ? { number: found[1] } : mark ? { mark } : { name: found[3] });
    }
  }

  is(...marks) { return marks.includes(this.tokens[this.at]?.mark); }

  take(mark) {
    if (!this.is(mark)) throw new Unreadable();
    this.at += 1;
  }

  whole() {
    const first = this.sum();
    const items = [first];
    let commas = 0;
    while (this.is(",")) { this.at += 1; commas += 1; if (this.at < this.tokens.length) items.push(this.sum()); }
    if (this.at < this.tokens.length) throw new Unreadable();
    return commas ? { type: "tuple", value: items } : first;
  }

  sum() {
    let left = this.product();
    while (this.is("+", "-")) { const mark = this.tokens[this.at++].mark; left = compute(mark, left, this.product()); }
    return left;
  }

  product() {
    let left = this.sign();
    while (this.is("*", "/", "//")) { const mark = this.tokens[this.at++].mark; left = compute(mark, left, this.sign()); }
    return left;
  }

  sign() {
    if (this.is("-", "+")) {
      const mark = this.tokens[this.at++].mark, value = this.sign();
      return mark === "-" ? compute("-", number("int", 0), value) : value;
    }
    const base = this.atom();
    if (!this.is("**")) return base;
    this.at += 1;
    return compute("**", base, this.sign());
  }

  atom() {
    const token = this.tokens[this.at++];
    if (token?.number) return number(/[.e]/i.test(token.number) ? "float" : "int", Number(token.number));
    if (token?.name) {
      const name = token.name.replace(/^(math|torch)\./, "");
      if (name === "pi" || name === "e") return number("float", Math[name.toUpperCase()]);
      if (name === "None") return { type: "None", value: null };
      const apply = { log: Math.log, ln: Math.log, exp: Math.exp, sqrt: Math.sqrt }[name];
      if (!apply) throw new Unreadable();
      this.take("(");
      const inside = this.sum();
      this.take(")");
      if (inside.type !== "int" && inside.type !== "float") throw new Unreadable();
      return number("float", apply(inside.value));
    }
    const close = { "(": ")", "[": "]" }[token?.mark];
    if (!close) throw new Unreadable();
    const items = [];
    let commas = 0;
    while (!this.is(close)) {
      items.push(this.sum());
      if (this.is(",")) { this.at += 1; commas += 1; } else if (!this.is(close)) throw new Unreadable();
    }
    this.at += 1;
    if (token.mark === "[") return { type: "list", value: items };
    return items.length === 1 && !commas ? items[0] : { type: "tuple", value: items };
  }
}

function compute(mark, a, b) {
  if (![a, b].every(({ type }) => type === "int" || type === "float")) throw new Unreadable();
  const whole = a.type === "int" && b.type === "int";
  const value = { "+": a.value + b.value, "-": a.value - b.value, "*": a.value * b.value, "/": a.value / b.value,
    "//": Math.floor(a.value / b.value), "**": a.value ** b.value }[mark];
  if (!Number.isFinite(value)) throw new Unreadable();
  return number(whole && mark !== "/" && !(mark === "**" && b.value < 0) ? "int" : "float", value);
}

const isNumber = ({ type }) => type === "int" || type === "float" || type === "bool";

export function same(a, b) {
  if (b.type === "tuple" || b.type === "list") {
    return (a.type === "tuple" || a.type === "list") && a.value.length === b.value.length
      && a.value.every((item, i) => same(item, b.value[i]));
  }
  if (b.type === "float") {
    if (!isNumber(a)) return false;
    const [x, y] = [Number(a.value), b.value];
    return Math.abs(x - y) <= Math.max(1e-3 * Math.max(Math.abs(x), Math.abs(y)), 1e-6);
  }
  return a.type === b.type && a.value === b.value;
}

// C's %.5g.
function general(x, digits = 5) {
  if (x === 0) return "0";
  const power = Number(x.toExponential(digits - 1).split("e")[1]);
  if (power < -4 || power >= digits) {
    const [head, tail] = x.toExponential(digits - 1).split("e");
    const kept = head.includes(".") ? head.replace(/\.?0+$/, "") : head;
    return `${kept}e${tail[0]}${tail.slice(1).padStart(2, "0")}`;
  }
  const fixed = x.toFixed(digits - 1 - power);
  return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
}

// Python's repr, shortened as reprlib does.
function repr({ type, value }) {
  if (type === "str") {
    const quote = (text) => (text.includes("'") && !text.includes('"') ? `"${text}"` : `'${text.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`);
    const whole = quote(value.slice(0, 30));
    if (whole.length <= 30) return whole;
    const longer = quote(value.slice(0, 13) + value.slice(Math.max(value.length - 14, 13)));
    return `${longer.slice(0, 13)}...${longer.slice(-14)}`;
  }
  if (type === "bool") return value ? "True" : "False";
  if (type === "None") return "None";
  if (type === "tuple" || type === "list") {
    const items = value.slice(0, 6).map(repr);
    if (value.length > 6) items.push("...");
    if (type === "list") return `[${items.join(", ")}]`;
    return `(${items.join(", ")}${value.length === 1 ? "," : ""})`;
  }
  if (type === "float") return Number.isInteger(value) && Math.abs(value) < 1e16 ? value.toFixed(1) : String(value);
  return String(value);
}

export function showValue(item) {
  if (item.type === "float") return general(item.value);
  if (item.type === "int") return item.value.toLocaleString("en-US");
  return repr(item);
}

const kind = ({ type }) => ({ int: "a whole number", float: "a decimal number", bool: "True or False", None: "a NoneType" })[type] ?? `a ${type}`;

function tooLarge(item, largest) {
  if (item.type === "tuple" || item.type === "list") {
    if (item.value.length > 1000) return `${item.value.length.toLocaleString("en-US")} values are far more than are asked for here.`;
    return item.value.map((one) => tooLarge(one, largest)).find(Boolean);
  }
  const numeric = item.type === "int" || item.type === "float";
  return numeric && Math.abs(item.value) > largest ? `${showValue(item)} is far too large here.` : null;
}

// What is wrong with the answers: {message, about}, or null. `answers` has null for what is open.
function judge(form, answers) {
  for (const [name, got] of answers) {
    const large = got && tooLarge(got, form.largest);
    if (large) return { message: large };
  }
  if (form.unknown) {
    for (const [name, got] of answers) {
      if (got && !form.choices.some((choice) => got.type === "str" && choice === got.value)) {
        return { message: form.unknown.replace("NAME", `'${name}'`).replace("VALUE", showValue(got)) };
      }
    }
  }
  for (const [name, plain] of answers) {
    const { expected, mistakes, whole } = form.fields.find((field) => field.name === name);
    if (!plain) return { message: `'${name}' is still open.` };
    const got = whole && plain.type === "int" ? number("float", plain.value) : plain;
    if (got.type !== expected.type && !same(got, expected)) {
      return { message: `'${name}': ${showValue(got)} is ${kind(got)}, and the answer is ${kind(expected)}.` };
    }
    if (!same(got, expected)) {
      const found = mistakes.find(({ values }) => values.some((value) => same(got, value)));
      return { message: `'${name}': it is not ${showValue(got)}.`, about: found?.about };
    }
  }
  return null;
}

// The state of one exercise: which hint is next. What it says is what the notebook says.
export function makeCheck(form) {
  let shown = 0;
  const hint = (n) => `Hint ${n} of ${form.hints.length}: ${form.hints[n - 1]}`;
  return (answers) => {
    if (answers.every(([, value]) => value === null)) {
      shown = Math.max(shown, 1);
      return `Not attempted yet.\n${hint(1)}`;
    }
    const wrong = judge(form, answers);
    if (!wrong) return `Right. ${form.why}`;
    const lines = [`Not right yet. ${wrong.message}`];
    if (wrong.about) lines.push(`${wrong.about[0].toUpperCase()}${wrong.about.slice(1).toLowerCase()}: ${form.misconceptions[wrong.about]}`);
    const last = shown >= form.hints.length;
    shown = Math.min(shown + 1, form.hints.length);
    lines.push(hint(shown));
    if (last) lines.push("That was the last hint. The solution is folded below this cell.");
    return lines.join("\n");
  };
}

// The fields, as a form on the page.
export function makeForm(form, kept, on) {
  const check = makeCheck(form);
  const element = document.createElement("form");
  element.className = "try-form";
  element.noValidate = true;
  const fields = form.fields.map(({ name, expected }, i) => {
    const label = document.createElement("label");
    const words = document.createElement("code");
    words.textContent = name;
    const input = document.createElement("input");
    input.type = "text";
    input.autocomplete = "off";
    input.autocapitalize = "off";
    input.spellcheck = false;
    input.value = kept?.[name] ?? "";
    input.name = `answer-${i}`;
    input.oninput = () => on.change(Object.fromEntries(fields.map((field) => [field.name, field.input.value])));
    label.append(words, input);
    element.append(label);
    return { name, expected, input };
  });
  const tools = document.createElement("div");
  tools.className = "try-tools";
  const go = Object.assign(document.createElement("button"), { type: "submit", className: "try-go", textContent: "Check" });
  const reset = () => { fields.forEach(({ input }) => { input.value = ""; }); };
  const clear = Object.assign(document.createElement("button"), { type: "button", textContent: "Reset" });
  clear.onclick = () => { reset(); on.change({}); fields[0].input.focus(); };
  tools.append(go, clear);
  element.append(tools);
  element.onsubmit = (event) => {
    event.preventDefault();
    const text = check(fields.map(({ name, expected, input }) => [name, readValue(input.value, expected)]));
    on.reply(text, text.startsWith("Right. "));
  };
  return { element, tools, reset, focus: () => fields[0].input.focus() };
}
