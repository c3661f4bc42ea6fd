// Numbers as people read them: three significant digits, a true minus sign.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 0.677, 12.3, 4,560, 1.23 × 10⁻⁵; 0 only for an exact 0. */
export function format(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size < 1e-3 || size >= 1e6) {
    const [mantissa, exponent] = size.toExponential(digits - 1).split("e");
    return `${sign}${mantissa} × 10${superscript(Number(exponent))}`;
  }
  const rounded = Number(size.toPrecision(digits));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(rounded)));
  return sign + rounded.toLocaleString("en", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

function superscript(exponent) {
  const figures = [...String(Math.abs(exponent))].map((figure) => SUPERSCRIPTS[Number(figure)]);
  return (exponent < 0 ? "⁻" : "") + figures.join("");
}

/** A number that lost precision on its way says so. */
export function approximate(value, isExact, digits = 3) {
  return (isExact || value === 0 ? "" : "≈ ") + format(value, digits);
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** Words for a count: 1 token, 2 tokens. */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
