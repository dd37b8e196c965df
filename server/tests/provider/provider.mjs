// The provider: `oidc-provider` with its device flow, JWT access tokens for one audience, and roles of the names that tests
// use. It writes its issuer to standard output, and ends with its standard input. `/approve` is what a person does in a browser.
// Its token endpoint is at another origin, as some providers have it: that of `localhost`.

import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const audience = process.argv[2];
const roles = { owner: ['hq-owner'], auditor: ['hq-auditor'], operator: ['hq-operator'] };

const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'hq',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      redirect_uris: [],
    },
  ],
  features: {
    deviceFlow: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: '', audience, accessTokenFormat: 'jwt' }),
      useGrantedResource: () => true,
    },
  },
  // Short, so that every command renews it.
  clientBasedCORS: () => true,
  ttl: { AccessToken: 30, DeviceCode: 60, Grant: 600, IdToken: 60, RefreshToken: 600 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  extraTokenClaims: (_, token) => ({ roles: roles[token.accountId] ?? [] }),
});

provider.use(async (ctx, next) => {
  await next();
  if (ctx.path.startsWith('/.well-known/')) {
    ctx.body.token_endpoint = ctx.body.token_endpoint.replace('127.0.0.1', 'localhost');
  }
});
provider.use(async (ctx, next) => {
  if (ctx.path !== '/approve') return next();
  const { user, code: shown } = ctx.query;
  const code = await provider.DeviceCode.findByUserCode(shown.replaceAll('-', ''), { ignoreExpiration: true });
  if (!code) return ctx.throw(404);
  const grant = new provider.Grant({ accountId: user, clientId: code.clientId });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(audience, '');
  code.grantId = await grant.save();
  code.accountId = user;
  code.scope = 'openid offline_access';
  code.resource = audience;
  code.authTime = Math.floor(Date.now() / 1000);
  await code.save();
  ctx.body = 'approved';
});

server.on('request', provider.callback());
process.stdin.on('end', () => process.exit(0)).resume();
console.log(issuer);
