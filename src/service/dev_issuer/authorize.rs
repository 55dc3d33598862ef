//! `/authorize` and the page it shows: a person allows a client what it asks for (RFC 6749 §3.1).

use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::{Error, HttpRequest, HttpResponse, web};

use crate::jose::sign::random_id;

use super::authorization::{Authorization, PARAMETERS, Prompt};
use super::error::Refusal;
use super::login::Strength;
use super::pages::{Shown, escape, html};
use super::parameters::Parameters;
use super::redirect::Destination;
use super::sessions::Session;
use super::users::{PEOPLE, Person};
use super::{Provider, cookies};

pub(super) const PATH: &str = "/authorize";
/// Where the page's form goes, with the query of `/authorize`.
pub(super) const SIGN_IN: &str = "/login";

/// Answers with a code at once where somebody is signed in, and shows who can sign in elsewhere.
pub(super) async fn ask(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Shown> {
    let (destination, asked) = read(&request, &provider)?;
    let authorization = match asked {
        Ok(authorization) => authorization,
        Err(refusal) => return Ok(destination.refuse(refusal)),
    };
    let session = provider.session(&request);
    let session = session.filter(|session| authorization.accepts(*session, provider.clock.now()));
    Ok(match session {
        Some(session) if authorization.is_met_by(session) => {
            let code = provider.allow(authorization, session, &destination);
            destination.admit(&code, StatusCode::FOUND)
        }
        _ if authorization.prompt() == Prompt::Never => destination.refuse(Refusal::LoginRequired),
        Some(session) => second_factor_page(&request, &provider, &destination, session.person),
        None => sign_in_page(&request, &provider, &destination),
    })
}

/// Takes the choice that was made on the page.
pub(super) async fn sign_in(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Shown> {
    let (destination, asked) = read(&request, &provider)?;
    let choice = Parameters::read(&request, body)?;
    let form = cookies::find(&request, &provider.form_cookie());
    if form.is_none() || form != choice.find("form") {
        return Err(Refusal::ForeignForm.into());
    }
    let authorization = match asked {
        Ok(authorization) => authorization,
        Err(refusal) => return Ok(destination.refuse(refusal)),
    };
    let session = chosen(&choice, provider.clock.now())?;
    if !authorization.is_met_by(session) {
        let page = second_factor_page(&request, &provider, &destination, session.person);
        return Ok(page);
    }
    let cookie = provider.begin(session, &request);
    let code = provider.allow(authorization, session, &destination);
    Ok(cookies::set(
        destination.admit(&code, StatusCode::SEE_OTHER),
        &cookie,
    ))
}

/// The sign-in that a form stands for; its second button confirms the second factor.
fn chosen(choice: &Parameters, now: SystemTime) -> Result<Session, Refusal> {
    let person = choice.find("person").and_then(Person::find);
    Ok(Session {
        person: person.ok_or(Refusal::UnknownPerson)?,
        since: now,
        strength: match choice.find("second_factor") {
            Some(_) => Strength::TwoFactors,
            None => Strength::OneFactor,
        },
    })
}

type Read = (Destination, Result<Authorization, Refusal>);

/// Reads a request; what is wrong once the destination is known is told there.
fn read(request: &HttpRequest, provider: &Provider) -> Result<Read, Refusal> {
    let query = request.query_string();
    let parameters = Parameters::of_query(query, &PARAMETERS)?;
    let destination = Destination::read(&parameters, query)?;
    let asked = Authorization::read(&parameters, provider);
    Ok((destination, asked))
}

fn sign_in_page(
    request: &HttpRequest,
    provider: &Provider,
    destination: &Destination,
) -> HttpResponse {
    let form = form(request, provider);
    let page = format!(
        include_str!("assets/sign_in.html"),
        client = escape(&destination.client),
        origin = escape(&destination.redirect_uri.origin()),
        action = escape(&action(request)),
        form = escape(&form),
        people = PEOPLE.iter().map(button).collect::<String>(),
    );
    show(page, provider, &form)
}

fn second_factor_page(
    request: &HttpRequest,
    provider: &Provider,
    destination: &Destination,
    person: &Person,
) -> HttpResponse {
    let form = form(request, provider);
    let page = format!(
        include_str!("assets/second_factor.html"),
        client = escape(&destination.client),
        origin = escape(&destination.redirect_uri.origin()),
        action = escape(&action(request)),
        form = escape(&form),
        person = person.id,
        name = person.name,
    );
    show(page, provider, &form)
}

/// By what a form of this browser is known.
fn form(request: &HttpRequest, provider: &Provider) -> String {
    let known = cookies::find(request, &provider.form_cookie());
    known.map_or_else(random_id, str::to_owned)
}

fn action(request: &HttpRequest) -> String {
    format!("{SIGN_IN}?{}", request.query_string())
}

fn show(page: String, provider: &Provider, form: &str) -> HttpResponse {
    let cookie = cookies::keep(&provider.form_cookie(), form);
    cookies::set(html(StatusCode::OK, POLICY, page), &cookie)
}

fn button(person: &Person) -> String {
    let (id, name, role) = (person.id, person.name, person.role);
    let scopes = person.scopes.join(" ");
    format!(
        r#"<button name="person" value="{id}"><strong>{name}</strong><span>{role}: <code>{scopes}</code></span></button>"#
    )
}

/// The form leads back to the client's page, which a browser holds against `form-action`.
const POLICY: &str = "style-src 'self'; img-src data:; form-action http: https:";
