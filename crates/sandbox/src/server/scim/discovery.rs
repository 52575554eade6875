//! What the SCIM interface reports about itself (RFC 7644 §4, RFC 7643 §5 to §7). It announces only what works here.

use super::query::MAX_COUNT;
use super::shape::{CORE_GROUP, CORE_USER, LAST_LOGIN, MORE_GROUP, MORE_USER};
use serde_json::{Value, json};

/// Returns the service provider configuration (RFC 7643 §5).
pub(super) fn service_provider_config(base: &str) -> Value {
    let not = json!({"supported": false});
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": MAX_COUNT},
        "changePassword": not, "sort": not, "etag": not,
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "OAuth Bearer Token", "description": "A token of /oauth2/token",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750", "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    })
}

/// Returns the resource types (RFC 7643 §6).
pub(super) fn resource_types(base: &str) -> Vec<Value> {
    let of = |name: &str, core: &str, more: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": name, "name": name, "endpoint": format!("/{name}s"), "description": format!("{name} of the appliance"),
            "schema": core, "schemaExtensions": [{"schema": more, "required": false}],
            "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}")},
        })
    };
    vec![of("User", CORE_USER, MORE_USER), of("Group", CORE_GROUP, MORE_GROUP)]
}

/// Returns the schemas of all attributes (RFC 7643 §7).
pub(super) fn schemas(base: &str) -> Vec<Value> {
    let of = |id: &str, name: &str, attributes: Vec<Value>| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id, "name": name, "description": name, "attributes": attributes,
            "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{id}")},
        })
    };
    vec![
        of(CORE_USER, "User", user_attributes()),
        of(CORE_GROUP, "Group", group_attributes()),
        of(MORE_USER, "SandboxUser", vec![text(LAST_LOGIN, "readOnly")]),
        of(MORE_GROUP, "SandboxGroup", vec![text("description", "readWrite")]),
    ]
}

fn user_attributes() -> Vec<Value> {
    vec![
        with(text("userName", "readWrite"), &json!({"required": true, "uniqueness": "server"})),
        text("displayName", "readWrite"),
        with(text("externalId", "readWrite"), &json!({"caseExact": true})),
        complex(
            "name",
            "readWrite",
            &[text("formatted", "readWrite"), text("familyName", "readWrite"), text("givenName", "readWrite")],
        ),
        many(complex(
            "emails",
            "readWrite",
            &[
                text("value", "readWrite"),
                with(text("type", "readWrite"), &json!({"canonicalValues": ["work", "home", "other"]})),
                attribute("primary", "boolean", "readWrite"),
            ],
        )),
        attribute("active", "boolean", "readWrite"),
        text("locale", "readWrite"),
        many(complex("groups", "readOnly", &[text("value", "readOnly"), text("display", "readOnly")])),
    ]
}

fn group_attributes() -> Vec<Value> {
    let kinds = json!({"canonicalValues": ["User", "Group"]});
    let reference = json!({"referenceTypes": ["User", "Group"], "caseExact": true});
    vec![
        with(text("displayName", "readWrite"), &json!({"required": true})),
        with(text("externalId", "readWrite"), &json!({"caseExact": true})),
        many(complex(
            "members",
            "readWrite",
            &[
                text("value", "immutable"),
                with(attribute("$ref", "reference", "immutable"), &reference),
                with(text("type", "immutable"), &kinds),
                text("display", "readOnly"),
            ],
        )),
    ]
}

fn text(name: &str, mutability: &str) -> Value {
    with(attribute(name, "string", mutability), &json!({"caseExact": false}))
}

fn complex(name: &str, mutability: &str, parts: &[Value]) -> Value {
    with(attribute(name, "complex", mutability), &json!({"subAttributes": parts}))
}

fn many(attribute: Value) -> Value {
    with(attribute, &json!({"multiValued": true}))
}

fn attribute(name: &str, kind: &str, mutability: &str) -> Value {
    json!({"name": name, "type": kind, "multiValued": false, "description": name, "required": false,
        "mutability": mutability, "returned": "default", "uniqueness": "none"})
}

fn with(mut attribute: Value, more: &Value) -> Value {
    if let (Some(attribute), Some(more)) = (attribute.as_object_mut(), more.as_object()) {
        attribute.extend(more.clone());
    }
    attribute
}
