/** Chips by Qualcomm's own number, as the SDK's documentation lists them. */
const chips: Readonly<Record<number, string>> = {
  30: 'SM8350',
  36: 'SM8450',
  42: 'SM8475',
  43: 'SM8550',
  57: 'SM8650',
  69: 'SM8750',
  87: 'SM8850',
};

/** What people call a chip: `Hexagon V75 (SM8650)`; without the brackets where its number is not known, 0. */
export function chipName(target: { readonly socModel: number; readonly htpArch: number }): string {
  const { socModel, htpArch } = target;
  if (socModel === 0) return `Hexagon V${htpArch}`;
  const soc = Object.hasOwn(chips, socModel) ? chips[socModel] : `SoC ${socModel}`;
  return `Hexagon V${htpArch} (${soc ?? ''})`;
}
