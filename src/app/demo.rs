//! What `--demo` finds: departments, people, an FAQ, a conversation, and a second tenant behind a
//! wall.

mod faq;

use uuid::Uuid;

use super::App;
use super::people::MAX_CHATS;
use super::staff::StaffChange;
use crate::auth::PasswordError;
use crate::log::{Agent, Change, Department, Record};
use crate::model::{
    ConversationId, Error, Event, ExternalId, Moment, Role, SessionStarted, TenantId, UserId,
};

/// The password of every demo user. The demo listens on loopback only.
const PASSWORD: &str = "demo";

/// The demo's people with their tokens, to be printed.
pub struct Demo {
    /// Who, and the token it can use at once.
    pub tokens: Vec<(String, String)>,
    /// The e-mail address and password of a local user.
    pub login: (String, String),
    /// The conversation with the external ids `test-conv` and `test-session`.
    pub conversation: ConversationId,
}

const SUPPORT: u128 = 0x660e_8400_e29b_41d4_a716_4466_5544_0000;
const SALES: u128 = 0x660e_8400_e29b_41d4_a716_4466_5544_0001;
const CONVERSATION: u128 = 0x550e_8400_e29b_41d4_a716_4466_5544_0000;

/// The tenant `default`'s departments, and what of their routing is not the default.
const DEPARTMENTS: &[(u128, &str, Option<&str>)] = &[
    (
        SUPPORT,
        "Customer Support",
        Some(r#"{"escalations":[{"after_seconds":120,"action":"supervisors"}]}"#),
    ),
    (SALES, "Sales", None),
];

/// Somebody of the demo.
struct Person {
    tenant: &'static str,
    /// The end of its id.
    number: u128,
    role: Role,
    name: &'static str,
    department: Option<u128>,
    max_chats: u32,
    skills: &'static [&'static str],
    languages: &'static [&'static str],
}

const PEOPLE: &[Person] = &[
    Person {
        tenant: "default",
        number: 1,
        role: Role::Agent,
        name: "Dewi",
        department: Some(SUPPORT),
        max_chats: 5,
        skills: &["billing", "returns"],
        languages: &["id", "en"],
    },
    Person {
        tenant: "default",
        number: 2,
        role: Role::Agent,
        name: "Agus",
        department: Some(SALES),
        max_chats: 3,
        skills: &["orders"],
        languages: &["id"],
    },
    Person {
        tenant: "default",
        number: 3,
        role: Role::Admin,
        name: "Admin",
        department: None,
        max_chats: MAX_CHATS,
        skills: &[],
        languages: &[],
    },
    Person {
        tenant: "acme",
        number: 4,
        role: Role::Agent,
        name: "Acme agent",
        department: None,
        max_chats: MAX_CHATS,
        skills: &[],
        languages: &["en"],
    },
];

impl Person {
    /// As it is kept, with the hash of its password.
    fn agent(&self, hash: &str) -> Result<Agent, Error> {
        let id = Uuid::from_u128(0x770e_8400_e29b_41d4_a716_4466_5544_0000 + self.number);
        let handle = self.name.split(' ').next().unwrap_or(self.name).to_lowercase();
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Ok(Agent {
            id: parse(UserId::parse(&id.to_string()))?,
            role: self.role,
            name: self.name.to_owned(),
            email: Some(format!("{handle}@demo.example")),
            password: Some(hash.to_owned()),
            departments: self.department.into_iter().map(Uuid::from_u128).collect(),
            max_chats: self.max_chats,
            skills: owned(self.skills),
            languages: owned(self.languages),
            is_disabled: false,
            extension: None,
            created_at: Moment::now(),
        })
    }
}

impl App {
    /// Makes what is missing of the demo, and tokens for its people.
    ///
    /// # Errors
    /// When the log does not keep it.
    pub async fn set_up_demo(&self) -> Result<Demo, Error> {
        let hash = self.passwords.hash(PASSWORD).await.map_err(|err: PasswordError| {
            Error::Unavailable(format!("no password can be hashed: {err}"))
        })?;
        self.set_up_departments().await?;
        let mut tokens = Vec::new();
        for person in PEOPLE {
            tokens.push(self.set_up_person(person, &hash).await?);
        }
        let conversation = self.set_up_conversation().await?;
        self.set_up_faq().await?;
        let login = ("dewi@demo.example".to_owned(), PASSWORD.to_owned());
        Ok(Demo { tokens, login, conversation })
    }

    /// Those that are missing; what was changed since stays so.
    async fn set_up_departments(&self) -> Result<(), Error> {
        let tenant = TenantId::default_tenant();
        for (id, name, routing) in DEPARTMENTS {
            let id = Uuid::from_u128(*id);
            if self.log.department(&tenant, id).await.map_err(|e| self.fault(e))?.is_some() {
                continue;
            }
            let routing = routing.map(str::to_owned);
            let record = Record::Department(Department { id, name: (*name).to_owned(), routing });
            let kept = self.log.commit(&tenant, Change::record(record)).await;
            kept.map_err(|e| self.fault(e))?;
            self.staff_changed(&tenant, &StaffChange::Department(id)).await;
        }
        Ok(())
    }

    /// Its token, and the person itself if it is missing; what was changed since stays so.
    async fn set_up_person(&self, person: &Person, hash: &str) -> Result<(String, String), Error> {
        let tenant = parse(TenantId::parse(person.tenant))?;
        let agent = person.agent(hash)?;
        let known = self.log.agent(&tenant, &agent.id).await.map_err(|e| self.fault(e))?;
        if known.is_none() {
            let record = Record::Agent(agent.clone());
            let kept = self.log.commit(&tenant, Change::record(record)).await;
            kept.map_err(|e| self.fault(e))?;
            self.staff_changed(&tenant, &StaffChange::Agent(agent.id.clone())).await;
        }
        let token = self.token_for(&tenant, known.unwrap_or(agent))?;
        Ok((format!("{} {} of tenant {tenant}", person.role, person.name), token))
    }

    /// Once: what was changed since, or deleted, stays so.
    async fn set_up_faq(&self) -> Result<(), Error> {
        let tenant = TenantId::default_tenant();
        if self.log.faq_count(&tenant).await.map_err(|e| self.fault(e))? > 0 {
            return Ok(());
        }
        let change = Change::new(vec![], faq::records());
        self.log.commit(&tenant, change).await.map_err(|e| self.fault(e))?;
        Ok(())
    }

    async fn set_up_conversation(&self) -> Result<ConversationId, Error> {
        let tenant = TenantId::default_tenant();
        let session_id = ConversationId(Uuid::from_u128(CONVERSATION));
        let external_ids = ["test-conv", "test-session"].map(ExternalId::parse);
        let external_ids = external_ids.into_iter().collect::<Result<Vec<_>, _>>();
        let started = Event::SessionStarted(SessionStarted {
            session_id,
            customer_id: None,
            visitor_name: Some("Visitor".into()),
            visitor_email: None,
            department_id: None,
            skills: vec![],
            language: None,
            external_ids: parse(external_ids)?,
            metadata: None,
        });
        // Unchanged from the second start on.
        self.log.commit(&tenant, Change::of(started)).await.map_err(|e| self.fault(e))?;
        Ok(session_id)
    }
}

fn parse<T>(id: Result<T, crate::model::BadId>) -> Result<T, Error> {
    id.map_err(|err| Error::InvalidId(err.to_string()))
}
