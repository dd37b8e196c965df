// An OpenID provider FOR TRIALS, on this machine alone: its names are fixed and have one password, which stands here. What it
// gives is what a real one must: access tokens of RFC 9068 for one audience with roles in a claim, the device flow, the code flow with
// PKCE, refresh tokens that are used once, and a client of its own for Prometheus. Its keys are new whenever it begins.
//
// Variables: PORT (0: a free one), SERVICE (the origin of the service's page), AUDIENCE (an address; SERVICE if not given), CERTIFICATE and
// KEY (PEM files, for TLS).
// It writes its issuer to standard output.

import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider, { interactionPolicy } from 'oidc-provider';

const { PORT = '8081', SERVICE = 'http://127.0.0.1:8080', AUDIENCE = SERVICE, CERTIFICATE, KEY } = process.env;
const PASSWORD = 'trial';
const ROLES = { owner: ['hq-owner'], auditor: ['hq-auditor'], operator: ['hq-operator'], ada: [], eve: [] };
const CLIENT_ROLES = { 'hq-prometheus': ['hq-operator'] };
const TOKEN_S = 300;
const DAY_S = 86_400;

const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>
<h1>${title}</h1><p><strong>For trials only: everybody knows this provider's password, which is <code>${PASSWORD}</code>.</strong></p>${body}</html>`;
// It is sent to the address it came from.
const loginForm = (word) =>
  page('Log in', `<p>${word}</p><form method="post"><label>Name <input name="name" list="names" autofocus></label>
<datalist id="names">${Object.keys(ROLES).map((name) => `<option>${name}</option>`).join('')}</datalist>
<label>Password <input name="password" type="password"></label><button>Log in</button></form>`);

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: randomUUID() };
}

// Whoever is logged in in this browser is asked again: in a trial one person is many.
function everyTime() {
  const policy = interactionPolicy.base();
  const asked = (ctx) => (ctx.oidc.result?.login ? interactionPolicy.Check.NO_NEED_TO_PROMPT : interactionPolicy.Check.REQUEST_PROMPT);
  policy.get('login').checks.add(new interactionPolicy.Check('every_time', 'each login is asked for', asked));
  return policy;
}

const server = CERTIFICATE ? https.createServer({ cert: readFileSync(CERTIFICATE), key: readFileSync(KEY) }) : http.createServer();
await new Promise((ready) => server.listen(Number(PORT), '127.0.0.1', ready));
const issuer = `${CERTIFICATE ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'hq',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'ES256',
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1/'],
    },
    {
      client_id: 'hq-prometheus',
      client_secret: PASSWORD,
      id_token_signed_response_alg: 'ES256',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    },
  ],
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form, _, error) => {
        ctx.body = page('Enter the code', `<p>${error ? 'That code is not known.' : ''}</p>${form}<button form="op.deviceInputForm">Go on</button>`);
      },
      userCodeConfirmSource: (ctx, form, _client, _device, code) => {
        ctx.body = page('Is this the code?', `<p>It is shown where you log in: <code>${code}</code></p>${form}
<button form="op.deviceConfirmForm">Yes</button> <button form="op.deviceConfirmForm" name="abort" value="yes">No</button>`);
      },
      successSource: (ctx) => {
        ctx.body = page('Logged in', '<p>Go back to where you came from.</p>');
      },
    },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: '', audience: AUDIENCE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      useGrantedResource: () => true,
    },
  },
  interactions: { policy: everyTime() },
  // Nobody is asked what `hq` may do.
  loadExistingGrant: async (ctx) => {
    const grant = new provider.Grant({ accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(AUDIENCE, '');
    await grant.save();
    return grant;
  },
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  clientBasedCORS: (_, origin) => origin === SERVICE,
  ttl: {
    AccessToken: TOKEN_S, AuthorizationCode: 60, ClientCredentials: TOKEN_S, DeviceCode: 600, Grant: DAY_S, IdToken: 60,
    Interaction: 600, RefreshToken: DAY_S, Session: DAY_S,
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  extraTokenClaims: (_, token) => ({ roles: ROLES[token.accountId] ?? CLIENT_ROLES[token.clientId] ?? [] }),
});

async function login(request, response) {
  const show = (word) => response.setHeader('content-type', 'text/html; charset=utf-8').end(loginForm(word));
  await provider.interactionDetails(request, response);
  if (request.method !== 'POST') return show('');
  let text = '';
  for await (const part of request) {
    text += part;
    if (text.length > 4096) return response.writeHead(413).end();
  }
  const form = new URLSearchParams(text);
  const name = form.get('name') ?? '';
  if (!Object.hasOwn(ROLES, name) || form.get('password') !== PASSWORD) return show('Name or password is wrong.');
  return provider.interactionFinished(request, response, { login: { accountId: name }, consent: {} });
}

const others = provider.callback();
server.on('request', (request, response) => {
  if (!request.url.startsWith('/interaction/')) return others(request, response);
  return login(request, response).catch(() => response.writeHead(400).end('This login has ended. Begin it again.\n'));
});
process.on('SIGTERM', () => process.exit(0));
console.error(`FOR TRIALS ONLY: ${Object.keys(ROLES).join(', ')}, each with the password \`${PASSWORD}\``);
console.log(issuer);
