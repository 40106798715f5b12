// The policy of these pages forbids style attributes in text, and a library that draws writes some. What it means is said here in
// the way that the policy allows: property by property. Loaded before the library, and nothing else of it is changed.
"use strict";

(() => {
  const plain = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function setAttribute(name, value) {
    if (String(name).toLowerCase() === "style" && this.style) {
      this.style.cssText = String(value);
      return;
    }
    plain.call(this, name, value);
  };
})();
