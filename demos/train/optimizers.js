/**
 * Three optimizers, with the formulas of PyTorch.
 *
 * Each returns step(parameters, gradients), which changes the parameters in place. Source: D. Kingma,
 * J. Ba, Adam, 2015; I. Sutskever et al., On the importance of initialization and momentum, 2013.
 */

export const OPTIMIZERS = { sgd, momentum, adam };

/** Plain gradient descent: weight −= rate · gradient. */
function sgd(rate) {
  return (parameters, gradients) =>
    each(parameters, (p, name) => {
      const g = gradients[name];
      for (let i = 0; i < p.length; i++) p[i] -= rate * g[i];
    });
}

/** velocity = 0.9 · velocity + gradient; weight −= rate · velocity. */
function momentum(rate) {
  const velocities = {};
  return (parameters, gradients) =>
    each(parameters, (p, name) => {
      const g = gradients[name];
      const v = (velocities[name] ??= new Float32Array(p.length));
      for (let i = 0; i < p.length; i++) {
        v[i] = 0.9 * v[i] + g[i];
        p[i] -= rate * v[i];
      }
    });
}

/** Means of the gradient and of its square, without the bias of their start, make the step. */
function adam(rate, [beta1, beta2] = [0.9, 0.999], epsilon = 1e-8) {
  const means = {};
  const squares = {};
  let t = 0;
  return (parameters, gradients) => {
    t++;
    const [unbias1, unbias2] = [1 - beta1 ** t, 1 - beta2 ** t];
    each(parameters, (p, name) => {
      const g = gradients[name];
      const m = (means[name] ??= new Float32Array(p.length));
      const s = (squares[name] ??= new Float32Array(p.length));
      for (let i = 0; i < p.length; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        s[i] = beta2 * s[i] + (1 - beta2) * g[i] * g[i];
        p[i] -= (rate * (m[i] / unbias1)) / (Math.sqrt(s[i] / unbias2) + epsilon);
      }
    });
  };
}

function each(parameters, change) {
  for (const [name, p] of Object.entries(parameters)) change(p, name);
}
