// JSON with its numbers as they are written: one that a double does not hold is kept by its digits, and shown by them.

const MAY_BE_ROUNDED = /[0-9][0-9.]{15}|[0-9][eE]/;

export class Digits {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }

  toJSON() {
    return JSON.rawJSON ? JSON.rawJSON(this.text) : this.text;
  }
}

// Browsers that do not tell what was written show what they have made of it.
export const exactly = (text) => JSON.parse(text, MAY_BE_ROUNDED.test(text) ? revived : undefined);

function revived(_key, value, context) {
  if (typeof value !== "number" || !context?.source || !/[0-9.]{16}|[eE]/.test(context.source)) return value;
  return String(value) === context.source ? value : new Digits(context.source);
}
