// Gives the replies of the forms of a page to attempts: JSON in, JSON out.
// In: {form, attempts: [[texts of the fields]]}; out: [the reply to each, in turn].

import { readFileSync } from "node:fs";
import { makeCheck, readValue } from "../../site/try/forms.js";

const jobs = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(jobs.map(({ form, attempts }) => {
  const check = makeCheck(form);
  return attempts.map((texts) => check(form.fields.map(({ name, expected }, i) => [name, readValue(texts[i], expected)])));
})));
