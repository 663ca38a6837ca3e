// Signing out on this device: what pages kept in this browser for the one who was here goes, in every tab.
const MARK = "signed-out";

/** Forget what this tab kept, and tell the others. */
export function forgetHere() {
  sessionStorage.clear();
  localStorage.removeItem("back");
  localStorage.setItem(MARK, String(Date.now()));
}

/** Call `work` when somebody signs out in another tab of this browser. */
export function onSignedOut(work) {
  addEventListener("storage", ({ key }) => key === MARK && work());
}
