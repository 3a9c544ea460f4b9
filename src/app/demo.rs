//! What `--demo` finds: departments, people, an FAQ, a conversation, and a second tenant behind a
//! wall.

mod faq;

use uuid::Uuid;

use super::App;
use crate::auth::PasswordError;
use crate::log::{Agent, Change, Department, Record};
use crate::model::{
    ConversationId, Error, Event, ExternalId, Role, SessionStarted, TenantId, UserId,
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

/// Tenant, number of its id, role, name, department.
const PEOPLE: &[(&str, u128, Role, &str, Option<u128>)] = &[
    ("default", 1, Role::Agent, "Dewi", Some(SUPPORT)),
    ("default", 2, Role::Agent, "Agus", Some(SALES)),
    ("default", 3, Role::Admin, "Admin", None),
    ("acme", 4, Role::Agent, "Acme agent", None),
];

impl App {
    /// Makes what is missing of the demo, and tokens for its people.
    ///
    /// # Errors
    /// When the log does not keep it.
    pub async fn set_up_demo(&self) -> Result<Demo, Error> {
        let hash = self.passwords.hash(PASSWORD).await.map_err(|err: PasswordError| {
            Error::Unavailable(format!("no password can be hashed: {err}"))
        })?;
        let mut tokens = Vec::new();
        for person in PEOPLE {
            tokens.push(self.set_up_person(person, &hash).await?);
        }
        let conversation = self.set_up_conversation().await?;
        self.set_up_faq().await?;
        let login = ("dewi@demo.example".to_owned(), PASSWORD.to_owned());
        Ok(Demo { tokens, login, conversation })
    }

    async fn set_up_person(
        &self,
        (tenant, number, role, name, department): &(&str, u128, Role, &str, Option<u128>),
        hash: &str,
    ) -> Result<(String, String), Error> {
        let tenant = parse(TenantId::parse(tenant))?;
        let id = Uuid::from_u128(0x770e_8400_e29b_41d4_a716_4466_5544_0000 + number);
        let departments: Vec<Uuid> = department.iter().map(|d| Uuid::from_u128(*d)).collect();
        let named = |d: &Uuid| {
            let name = if d.as_u128() == SUPPORT { "Customer Support" } else { "Sales" };
            Record::Department(Department { id: *d, name: name.into() })
        };
        let mut records: Vec<Record> = departments.iter().map(named).collect();
        let handle = name.split(' ').next().unwrap_or(name).to_lowercase();
        let agent = Agent {
            id: parse(UserId::parse(&id.to_string()))?,
            role: *role,
            name: (*name).to_owned(),
            email: Some(format!("{handle}@demo.example")),
            password: Some(hash.to_owned()),
            departments,
            max_chats: super::people::MAX_CHATS,
            is_disabled: false,
        };
        records.push(Record::Agent(agent.clone()));
        let change = Change { events: vec![], records };
        self.log.commit(&tenant, change).await.map_err(|e| self.fault(e))?;
        let token = self.token_for(&tenant, agent)?;
        Ok((format!("{role} {name} of tenant {tenant}"), token))
    }

    /// Once: what was changed since, or deleted, stays so.
    async fn set_up_faq(&self) -> Result<(), Error> {
        let tenant = TenantId::default_tenant();
        if self.log.faq_count(&tenant).await.map_err(|e| self.fault(e))? > 0 {
            return Ok(());
        }
        let change = Change { events: vec![], records: faq::records() };
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
