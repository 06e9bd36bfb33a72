import type { TinyBert } from '@mobillm/core/testing';

type Row = readonly number[];

/**
 * Vectors of a text's tokens by the published formulas of BERT, in 64-bit numbers and without any
 * library: what an engine computes is compared with it.
 */
export function bertForward(bert: TinyBert, tokens: readonly number[]): Row[] {
  const { embedding, heads, layers, weights } = bert;
  const rotates = !weights.has('position_embd.weight');
  const row = (name: string, index: number): Row => [
    ...weights.get(name)!.subarray(index * embedding, (index + 1) * embedding),
  ];
  const apply = (name: string, input: Row): number[] => {
    const matrix = weights.get(`${name}.weight`)!;
    const bias = weights.get(`${name}.bias`);
    return Array.from({ length: matrix.length / input.length }, (_, out) =>
      input.reduce(
        (sum, number, k) => sum + number * matrix[out * input.length + k]!,
        bias?.[out] ?? 0,
      ),
    );
  };
  const norm = (name: string, input: Row): number[] => {
    const mean = input.reduce((sum, number) => sum + number, 0) / input.length;
    const variance = input.reduce((sum, number) => sum + (number - mean) ** 2, 0) / input.length;
    const scale = weights.get(`${name}.weight`)!;
    const bias = weights.get(`${name}.bias`)!;
    return input.map(
      (number, k) => ((number - mean) / Math.sqrt(variance + bert.epsilon)) * scale[k]! + bias[k]!,
    );
  };

  let rows: Row[] = tokens.map((token, position) => {
    let sum = add(row('token_embd.weight', token), row('token_types.weight', 0));
    if (!rotates) sum = add(sum, row('position_embd.weight', position));
    return norm('token_embd_norm', sum);
  });
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}`;
    const headsOf = (part: string, rotated: boolean) =>
      rows.map((input, position) =>
        split(apply(name(part), input), heads).map((head) =>
          rotated ? rotate(head, position) : head,
        ),
      );
    const queries = headsOf('attn_q', rotates);
    const keys = headsOf('attn_k', rotates);
    const values = headsOf('attn_v', false);
    rows = rows.map((input, position) => {
      const attended = queries[position]!.flatMap((query, head) => {
        const scores = softmax(keys.map((key) => dot(query, key[head]!) / Math.sqrt(query.length)));
        return query.map((_, k) =>
          values.reduce((sum, value, index) => sum + scores[index]! * value[head]![k]!, 0),
        );
      });
      const after = norm(
        name('attn_output_norm'),
        add(apply(name('attn_output'), attended), input),
      );
      const up = apply(name('ffn_up'), after);
      const gate = rotates ? apply(name('ffn_gate'), after) : undefined;
      const hidden = up.map((number, k) => (gate ? number * silu(gate[k]!) : gelu(number)));
      return norm(name('layer_output_norm'), add(apply(name('ffn_down'), hidden), after));
    });
  }
  return rows;
}

/** The score of a text's vectors by the head that they are given to. */
export function bertScore({ weights }: TinyBert, rows: readonly Row[]): number {
  const first = rows[0]!;
  const dense = weights.get('cls.weight')!;
  const bias = weights.get('cls.bias')!;
  const hidden = first.map((_, out) =>
    Math.tanh(
      first.reduce((sum, number, k) => sum + number * dense[out * first.length + k]!, bias[out]!),
    ),
  );
  return dot(hidden, [...weights.get('cls.output.weight')!]) + weights.get('cls.output.bias')![0]!;
}

/** The mean of some vectors. */
export function meanOf(rows: readonly Row[]): number[] {
  return rows[0]!.map((_, k) => rows.reduce((sum, row) => sum + row[k]!, 0) / rows.length);
}

function add(a: Row, b: Row): number[] {
  return a.map((number, k) => number + b[k]!);
}

function dot(a: Row, b: Row): number {
  return a.reduce((sum, number, k) => sum + number * b[k]!, 0);
}

function split(row: Row, parts: number): number[][] {
  const length = row.length / parts;
  return Array.from({ length: parts }, (_, part) => row.slice(part * length, (part + 1) * length));
}

/** Rotates pairs of the first and the second half by the position, as NeoX does. */
function rotate(head: Row, position: number): number[] {
  const half = head.length / 2;
  return head.map((number, k) => {
    const pair = k % half;
    const angle = position * 10_000 ** (-pair / half);
    const other = head[k < half ? k + half : k - half]!;
    return number * Math.cos(angle) + (k < half ? -other : other) * Math.sin(angle);
  });
}

function softmax(scores: Row): number[] {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function gelu(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}
