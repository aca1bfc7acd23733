/** The code behind the # of an address, which no server and no log gets to see; it is taken out of the address at once. */
export function takeFragment(): string {
  const found = location.hash.slice(1);
  if (found) history.replaceState(history.state, "", location.pathname + location.search);
  try {
    return decodeURIComponent(found);
  } catch {
    // Not well encoded: the server will say that it is no code.
    return found;
  }
}
