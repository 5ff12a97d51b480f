/** Ends the tab in the way of a defect in the browser: its process dies. */
export async function crash(page) {
  const crashed = new Promise((resolve) => page.once('crash', resolve));
  // Never resolved: the page that it goes to is the crash.
  page.goto('chrome://crash').catch(() => {});
  await crashed;
}
