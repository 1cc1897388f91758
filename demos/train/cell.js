// A notebook cell that does in PyTorch what the page does.

const OPTIMIZERS = {
  sgd: (rate) => `torch.optim.SGD(model.parameters(), lr=${rate})`,
  momentum: (rate) => `torch.optim.SGD(model.parameters(), lr=${rate}, momentum=0.9)`,
  adam: (rate) => `torch.optim.Adam(model.parameters(), lr=${rate})`,
};

/** Python code for these settings and mistakes; each mistake has a comment with its name. */
export function pytorchCell(settings, mistakes) {
  const has = (key) => mistakes.includes(key);
  const { rate, batch, optimizer, width, dropout, images, epochs, seed } = settings;
  const lines = [
    "# In notebooks/ of the course. The random numbers are PyTorch's, so the run is not the same to the digit.",
    "import torch",
    "from torch import nn",
    "",
    "from cnn.data import as_tensors, load_mnist",
    "",
    `torch.manual_seed(${seed})`,
    "X, y = as_tensors(load_mnist(train=True))",
    "X_test, y_test = as_tensors(load_mnist(train=False))",
    "X_test, y_test = X_test[:1000], y_test[:1000]",
    "X_val, y_val = X[-1000:], y[-1000:]",
    `X, y = X[:${images}], y[:${images}]`,
    has("scale") && "X, X_val, X_test = 255 * X, 255 * X_val, 255 * X_test  # mistake: pixels not scaled",
    has("labels") && `y = y[torch.randperm(${images})]  # mistake: labels shuffled`,
    "",
    "model = nn.Sequential(",
    `    nn.Conv2d(1, ${width}, 3), nn.ReLU(), nn.MaxPool2d(2),`,
    `    nn.Conv2d(${width}, ${2 * width}, 3), nn.ReLU(), nn.MaxPool2d(2),`,
    `    nn.Flatten(), nn.Dropout(${dropout}), nn.Linear(${50 * width}, 10),`,
    has("softmax") && "    nn.Softmax(dim=1),  # mistake: softmax before the loss",
    ")",
    has("dead") && "for i in (0, 3):  # mistake: a start at which every ReLU gives 0",
    has("dead") && "    nn.init.constant_(model[i].bias, -3.0)",
    "loss_fn = nn.CrossEntropyLoss()",
    `optimizer = ${OPTIMIZERS[optimizer](has("rate") ? `30 * ${rate}` : rate)}${has("rate") ? "  # mistake: 30 times too large" : ""}`,
    "",
    "",
    "def accuracy(X, y):",
    has("train") ? "    model.train()  # mistake: dropout stays on" : "    model.eval()",
    "    with torch.no_grad():",
    "        return (model(X).argmax(1) == y).float().mean().item()",
    "",
    "",
    "best, first_loss, epoch_losses, validation = (0, 0), None, [], []",
    `for epoch in range(${epochs}):`,
    "    model.train()",
    "    total = 0.0",
    has("sorted")
      ? "    order = y.argsort(stable=True)  # mistake: sorted by class"
      : "    order = torch.randperm(len(X))",
    `    for batch in order.split(${batch}):`,
    "        loss = loss_fn(model(X[batch]), y[batch])",
    has("accumulate") ? "        # mistake: no optimizer.zero_grad()" : "        optimizer.zero_grad()",
    "        loss.backward()",
    "        optimizer.step()",
    "        first_loss = loss.item() if first_loss is None else first_loss",
    "        total += len(batch) * loss.item()",
    "    epoch_losses.append(total / len(X))",
    "    validation.append(accuracy(X_val, y_val))",
    has("test")
      ? "    best = max(best, (accuracy(X_test, y_test),) * 2)  # mistake: chosen by the test set"
      : "    best = max(best, (validation[-1], accuracy(X_test, y_test)))",
    '    print(f"epoch {epoch + 1}: loss {epoch_losses[-1]:.3f}, validation {validation[-1]:.1%}")',
    'print(f"test accuracy of the epoch that was chosen: {best[1]:.1%}")',
  ];
  return `${lines.filter((line) => line !== false).join("\n")}\n`;
}
