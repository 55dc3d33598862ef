// The same three endpoints, protected as Auth0's quickstart for Express does it.
const express = require('express');
const { auth, requiredScopes } = require('express-oauth2-jwt-bearer');

const app = express();
const checkJwt = auth();
const message = (text) => (request, response) => response.json({ message: text });

app.get('/api/public', message('Anybody may read this: no access token was asked for.'));
app.get('/api/private', checkJwt, message('Your access token is valid, so you may read this.'));
app.get(
  '/api/private-scoped',
  checkJwt,
  requiredScopes('read:messages'),
  message('Your access token is valid and grants read:messages, so you may read this.'),
);
app.listen(Number(process.env.PORT), '127.0.0.1');
