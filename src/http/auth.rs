//! `/api/auth/...`: login of local users, renewal of their tokens, logout.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Parts;
use super::answer::{Answer, Input, Nothing, Refusal};
use super::caller::{Address, Caller};
use super::cookies::{Cookies, SetCookies};
use super::openapi::Refused;
use crate::app::Login;
use crate::door::{LOGIN_COOKIE, SESSION_COOKIE};

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "dewi@demo.example", "password": "demo"}))]
pub(super) struct Credentials {
    /// The e-mail address.
    email: String,
    /// The password.
    password: String,
}

/// Logs a local user in
///
/// The token is also set as a cookie. After five wrong tries of an account or an address within a
/// minute: 429.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    request_body = Credentials,
    responses(
        (status = 200, description = "A token", body = Answer<Login>),
        Refused<400>, Refused<401>, Refused<413>, Refused<422>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
    security(()),
)]
pub(super) async fn login(
    State(parts): State<Parts>,
    Address(address): Address,
    cookies: Cookies,
    Input(credentials): Input<Credentials>,
) -> Result<(SetCookies, Answer<Login>), Refusal> {
    let Credentials { email, password } = credentials;
    let login = parts.app.login(&email, &password, &address).await?;
    let cookie = cookies.set(LOGIN_COOKIE, &login.token, parts.app.config.auth.token_ttl);
    Ok((cookie, Answer::of("Login successful", login)))
}

/// Exchanges a local user's token for a newer one
#[utoipa::path(
    post,
    path = "/api/auth/refresh",
    tag = "auth",
    responses(
        (status = 200, description = "A newer token", body = Answer<Login>),
        Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn refresh(
    State(parts): State<Parts>,
    cookies: Cookies,
    Caller(who): Caller,
) -> Result<(SetCookies, Answer<Login>), Refusal> {
    let login = parts.app.refresh(&who).await?;
    let cookie = cookies.set(LOGIN_COOKIE, &login.token, parts.app.config.auth.token_ttl);
    Ok((cookie, Answer::of("Token refreshed successfully", login)))
}

/// Makes the browser forget its cookies
///
/// Needs no token, so that a browser whose token has ended can log out too.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "auth",
    responses(
        (status = 200, description = "The cookies are cleared", body = Answer<Nothing>),
        Refused<429>, Refused<500>,
    ),
    security(()),
)]
pub(super) async fn logout(cookies: Cookies) -> (SetCookies, Answer<Nothing>) {
    let cleared = cookies.clear(&[LOGIN_COOKIE, SESSION_COOKIE]);
    (cleared, Answer::of("Logged out successfully", Nothing {}))
}
