// The address of the explorer, which carries its settings.

import assert from "node:assert/strict";
import test from "node:test";
import { readQuery, writeQuery } from "../../demos/explore/address.js";
import { DEFAULTS } from "../../demos/explore/settings.js";

const data = { digits: [{ corner: [6, 11] }], learned: [[[1]]] };

test("settings go through the address and back", () => {
  const own = { ...DEFAULTS, op: "conv", N: 3, K: 2, S: 3, P: 4, D: 2, at: [1, 2] };
  const grids = {
    input: [
      [0, 1, 0.5],
      [-1, 2, 3],
      [4, 5, 6],
    ],
    kernel: [
      [1, -1],
      [0.25, 0],
    ],
  };
  const named = { input: "0", kernel: "learned-0", corner: [3, 4] };
  for (const settings of [
    { ...own, ...grids },
    { ...own, ...named },
    { ...own, input: "pixel", kernel: "blur" },
  ]) {
    assert.deepEqual(readQuery(writeQuery(settings), data), { settings, problems: [] });
  }
});

test("sizes follow from numbers in the address", () => {
  const { settings, problems } = readQuery("?input=1,2,3,4,5,6,7,8,9&kernel=1,0,0,1", data);
  assert.deepEqual([settings.N, settings.K, problems], [3, 2, []]);
});

test("what is wrong in the address is named, and the default is used", () => {
  const wrong = [
    "op=average",
    "N=2",
    "N=3.5",
    "K=8",
    "S=0",
    "P=-1",
    "D=x",
    "input=1,2,3",
    "input=ten",
    "input=1,2,x,4,5,6,7,8,9",
    "kernel=toString",
    "kernel=learned-1",
    "corner=99,0",
    "at=1",
  ];
  for (const part of wrong) {
    const { settings, problems } = readQuery(`?${part}`, data);
    assert.deepEqual(settings, DEFAULTS, part);
    assert.equal(problems.length, 1, part);
    assert.ok(problems[0].startsWith(`${part} in the address is not`), problems[0]);
  }
  assert.match(readQuery("?M=3", data).problems[0], /doesn't know: M/);
});
