// What a FHIR server does about SMART Backend Services: it names its token endpoint, and wants an access token with a
// scope for what is asked for. Tokens are JWTs; jose verifies them with the token server's public keys.
import { createRemoteJWKSet, jwtVerify } from 'jose';

/** Thrown where a request is refused. */
export class Refusal extends Error {
  constructor(status, code, text, headers = {}) {
    super(text);
    Object.assign(this, { status, code, headers });
  }
}

/** The version 2 permissions that each word of version 1 stands for. */
const V1 = { read: 'rs', write: 'cud', '*': 'cruds' };

export class Guard {
  constructor(issuer, audience) {
    this.issuer = issuer;
    this.audience = audience;
    // No pause between two fetches: a token server that has moved signs with another key.
    this.keys = createRemoteJWKSet(new URL(`${issuer}/jwks`), { cooldownDuration: 0 });
  }

  /** The body of /.well-known/smart-configuration. */
  configuration() {
    return {
      issuer: this.issuer, jwks_uri: `${this.issuer}/jwks`, token_endpoint: `${this.issuer}/token`, grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'], token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384'],
      capabilities: ['client-confidential-asymmetric', 'permission-v1', 'permission-v2'],
    };
  }

  /** Throws a Refusal: 401 without a token that is good, 403 where its scopes do not reach. */
  async check(req, type, id) {
    const token = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1];
    if (!token) throw new Refusal(401, 'login', 'an access token is needed', { 'www-authenticate': 'Bearer' });
    let claims;
    try {
      ({ payload: claims } = await jwtVerify(token, this.keys, { issuer: this.issuer, audience: this.audience }));
    } catch (err) {
      throw new Refusal(401, 'login', `the access token is not good: ${err.message}`, { 'www-authenticate': 'Bearer error="invalid_token"' });
    }
    const needed = permission(req.method, id);
    const granted = (claims.scope ?? '').split(' ').map((s) => /^system\/([^.]+)\.(.+)$/.exec(s)).filter(Boolean);
    if (!granted.some(([, on, what]) => (on === '*' || on === type) && (V1[what] ?? what.split('?')[0]).includes(needed))) {
      throw new Refusal(403, 'forbidden', `system/${type}.${needed} is needed, and granted is: ${claims.scope ?? 'nothing'}`,
        { 'www-authenticate': 'Bearer error="insufficient_scope"' });
    }
  }
}

/** The letter of SMART's version 2 scopes for a request. */
function permission(method, id) {
  switch (method) {
    case 'POST': return id === '_search' ? 's' : 'c';
    case 'PUT': case 'PATCH': return 'u';
    case 'DELETE': return 'd';
    default: return id ? 'r' : 's';
  }
}
