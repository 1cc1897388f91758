// Settings and mistakes: what they are called, what is allowed, and how they stand in an address.

/** key: {label, kind, from, to, default}; the order is that of the page. */
export const SETTINGS = {
  rate: { label: "Learning rate", choices: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1], first: 0.003 },
  batch: { label: "Images in a batch", choices: [8, 16, 32, 64, 128], first: 32 },
  optimizer: { label: "Optimizer", choices: ["sgd", "momentum", "adam"], first: "adam" },
  width: { label: "Kernels of the first layer", choices: [4, 8, 12], first: 8 },
  dropout: { label: "Dropout", choices: [0, 0.25, 0.5], first: 0.25 },
  images: { label: "Training images", choices: [100, 500, 1000, 2000, 4000], first: 4000 },
  epochs: { label: "Epochs", choices: [1, 3, 8, 15, 30], first: 8 },
  seed: { label: "Seed", choices: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], first: 0 },
};

/** The mistakes that can be switched on: a name, what is done, and the sign by which one knows it. */
export const MISTAKES = {
  softmax: {
    name: "Softmax before the loss",
    what: "The network ends in a softmax, and the loss takes its probabilities for logits.",
    sign: "The loss cannot fall below 1.461, which is log(e + 9) − 1, while the accuracy is high.",
  },
  sorted: {
    name: "No shuffling",
    what: "The training images come sorted by class: all zeros first, all nines last.",
    sign:
      "The training loss falls to nothing within each class and jumps at the next; on validation " +
      "images the network names the class that it saw last.",
  },
  rate: {
    name: "Learning rate × 30",
    what: "Each step is thirty times as long.",
    sign: "The loss jumps up in the first steps. Then it stays far above that of the right training, stays " +
      "at log 10 = 2.303, or is no number at all.",
  },
  accumulate: {
    name: "No zero_grad",
    what: "The gradients of all earlier batches stay in the sum.",
    sign: "The gradients of every layer grow from step to step, and the loss swings instead of falling.",
  },
  train: {
    name: "No eval()",
    what: "Dropout stays on while the network is evaluated.",
    sign: "The validation accuracy is a little lower than it should be, and differs when measured twice.",
  },
  labels: {
    name: "Labels shuffled",
    what: "Each training image has the label of another one; the validation labels are right.",
    sign: "The training loss falls slowly, if at all, and the validation accuracy stays near 10 %.",
  },
  test: {
    name: "Chosen by the test set",
    what: "The epoch that is best on the test images is kept, and its accuracy on them is reported.",
    sign: "None in the curves. The number reported is at least that of the epoch that validation chooses.",
  },
  scale: {
    name: "Pixels not scaled",
    what: "The pixels are 0 to 255 instead of 0 to 1.",
    sign: "The loss begins far above log 10 = 2.303, because the logits of the first step are large.",
  },
  dead: {
    name: "Dead ReLUs",
    what: "The biases of both convolutions begin at −3.",
    sign: "All maps are empty, the gradients of both convolutions are exactly 0, and the loss stays at 2.3.",
  },
};

export const firstSettings = () =>
  Object.fromEntries(Object.entries(SETTINGS).map(([key, { first }]) => [key, first]));

/** {settings, mistakes, problems} of the query of an address; what is not allowed is left out and named. */
export function readAddress(query) {
  const settings = firstSettings();
  const problems = [];
  const given = new URLSearchParams(query);
  for (const [key, { choices, label }] of Object.entries(SETTINGS)) {
    if (!given.has(key)) continue;
    const found = choices.find((choice) => String(choice) === given.get(key));
    if (found === undefined) problems.push(`${label} can be ${choices.join(", ")}; the address asks for “${given.get(key)}”.`);
    else settings[key] = found;
  }
  const asked = (given.get("mistakes") ?? "").split(",").filter(Boolean);
  for (const key of asked) {
    if (!Object.hasOwn(MISTAKES, key)) problems.push(`There is no mistake “${key}”.`);
  }
  return { settings, mistakes: asked.filter((key) => Object.hasOwn(MISTAKES, key)), problems };
}

/** The query that leads to these settings; what is as at first is left out. */
export function writeAddress(settings, mistakes) {
  const query = new URLSearchParams();
  for (const [key, { first }] of Object.entries(SETTINGS)) {
    if (settings[key] !== first) query.set(key, settings[key]);
  }
  if (mistakes.length) query.set("mistakes", mistakes.join(","));
  return query.toString().replaceAll("%2C", ",");
}
