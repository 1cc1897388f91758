// The editor of a cell: CodeMirror 6 with Python, bundled by esbuild.

import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentLess, indentMore } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tagHighlighter, tags } from "@lezer/highlight";

const colours = tagHighlighter([
  { tag: tags.keyword, class: "tok-keyword" },
  { tag: [tags.string, tags.special(tags.string)], class: "tok-string" },
  { tag: [tags.number, tags.bool, tags.null], class: "tok-number" },
  { tag: tags.comment, class: "tok-comment" },
  { tag: [tags.function(tags.variableName), tags.definition(tags.variableName)], class: "tok-name" },
]);

let leaving = false; // after Escape, the next Tab leaves the editor

const unlessLeaving = (command) => (view) => {
  if (!leaving) return command(view);
  leaving = false;
  return false;
};
const tabs = [
  {
    key: "Escape",
    run: () => {
      leaving = true;
      return false;
    },
  },
  { key: "Tab", run: unlessLeaving(indentMore) },
  { key: "Shift-Tab", run: unlessLeaving(indentLess) },
];

/**
 * An editor in an element: {text(), set(text), focus()}.
 *
 * label and describedBy: for screen readers; onChange(text): after each change; onRun(): Control or
 * Shift with Enter.
 */
export function makeEditor({ parent, text, label, describedBy, onChange, onRun }) {
  const run = () => {
    onRun();
    return true;
  };
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        indentUnit.of("    "),
        EditorState.tabSize.of(4),
        python(),
        syntaxHighlighting(colours),
        EditorView.contentAttributes.of({
          "aria-label": label,
          "aria-describedby": describedBy,
          spellcheck: "false",
          autocapitalize: "off",
          autocorrect: "off",
        }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onChange(update.state.doc.toString());
        }),
        keymap.of([
          { key: "Mod-Enter", run },
          { key: "Shift-Enter", run },
          ...tabs,
          ...closeBracketsKeymap,
          ...historyKeymap,
          ...defaultKeymap,
        ]),
      ],
    }),
  });
  view.dom.addEventListener("focusout", () => (leaving = false));
  return {
    text: () => view.state.doc.toString(),
    set: (value) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value } }),
    focus: () => view.focus(),
  };
}
