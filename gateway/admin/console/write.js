// Requests that change something. From another machine they need the token of the configuration (console.token): a dialog asks
// for it when the gateway does, and it is kept until the tab is closed.

const KEY = 'batchgate-token';

/** POSTs; asks for the token as long as the gateway says that it is missing or wrong, or until the operator gives up. */
export async function write(path, { headers = {}, body } = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const authorization = token ? { Authorization: `Bearer ${token}` } : {};
    const reply = await fetch(path, { method: 'POST', headers: { ...headers, ...authorization }, body });
    if (reply.status !== 401) return reply;
    const given = await ask(token ? 'The gateway does not know this token.' : 'From another machine this needs a token.');
    if (!given) return reply;
    sessionStorage.setItem(KEY, given);
  }
}

function ask(why) {
  const dialog = document.getElementById('token');
  const field = dialog.querySelector('input');
  dialog.querySelector('p').textContent = why;
  field.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'use' ? field.value.trim() : ''), { once: true });
  });
}
