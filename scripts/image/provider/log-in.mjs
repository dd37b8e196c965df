// What a person does in a browser to log in at the provider of trials.
//   node log-in.mjs ADDRESS NAME [PASSWORD]             the device flow: ADDRESS is the one that `hq login` shows
//   node log-in.mjs --code ISSUER AUDIENCE NAME         the code flow with PKCE, as `hq`: writes the access token
// It fills in each form that it is shown until there is none.

import { createHash, randomBytes } from 'node:crypto';

const BACK = 'http://127.0.0.1/';
const cookies = new Map();

async function visit(address, body) {
  if (address.href.startsWith(BACK)) return { address, text: '' };
  const method = body ? 'POST' : 'GET';
  const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
  const answer = await fetch(address, { method, body, headers: { cookie }, redirect: 'manual' });
  for (const set of answer.headers.getSetCookie()) {
    const [, key, value] = /^([^=]+)=([^;]*)/.exec(set);
    cookies.set(key, value);
  }
  const next = answer.headers.get('location');
  return next ? visit(new URL(next, address)) : { address, text: await answer.text() };
}

async function logIn(address, known) {
  let page = await visit(new URL(address));
  for (let forms = 0; page.text.includes('<form') && !page.text.includes('is wrong') && forms < 6; forms += 1) {
    const action = /<form[^>]* action="([^"]*)"/.exec(page.text)?.[1] ?? page.address;
    const fields = new URLSearchParams();
    for (const [input] of page.text.matchAll(/<input[^>]*>/g)) {
      const key = / name="([^"]*)"/.exec(input)[1];
      fields.set(key, known[key] ?? / value="([^"]*)"/.exec(input)?.[1] ?? '');
    }
    page = await visit(new URL(action, page.address), fields);
  }
  return page;
}

async function byCode(issuer, audience, name) {
  const discovery = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const verifier = randomBytes(32).toString('base64url');
  const asked = {
    client_id: 'hq', response_type: 'code', scope: 'openid', resource: audience, redirect_uri: BACK,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  };
  const { address } = await logIn(`${discovery.authorization_endpoint}?${new URLSearchParams(asked)}`, { name, password: 'trial' });
  const code = address.searchParams.get('code');
  const grant = { grant_type: 'authorization_code', client_id: 'hq', code, redirect_uri: BACK, resource: audience, code_verifier: verifier };
  const answer = await fetch(discovery.token_endpoint, { method: 'POST', body: new URLSearchParams(grant) });
  return (await answer.json()).access_token;
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--code') {
  const token = await byCode(...rest);
  if (!token) process.exit(1);
  console.log(token);
} else {
  const [name, password = 'trial'] = rest;
  const { text } = await logIn(first, { name, password });
  if (!text.includes('Logged in')) {
    console.error(text.replaceAll(/<[^>]*>/g, ' ').trim());
    process.exit(1);
  }
}
