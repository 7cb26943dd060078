//! Sessions with a way out, against servers on loopback and a resolver of the test's own.
//!
//! `world` has both: addresses of 127.66.0.0/16 stand for the outside, under names that the test's resolver knows. Nothing here
//! reaches beyond this machine.
//!
//! Ways around rules for the network that others fell for, and the tests in which each fails with an event. `escape` is
//! `tests/escape`, `lib` beside the code, `terminated` the binary of that name; what has no folder is here.
//!
//! | way around | tests |
//! |---|---|
//! | E1 names with NUL, escapes, userinfo | `proxies::every_form_…`, escape `egress::names_read_in_two_ways`, lib `egress::tests::entries` |
//! | E2 plain HTTP beside CONNECT | `proxies::every_form_…`, escape `egress::hosts_that_no_rule_names` |
//! | E3 a relay inside | `proxies::nothing_gets_around_…`, escape `egress::harmless_forms_…` and `hosts_…` (`relay`) |
//! | E4 a list that is empty or not enforced | escape `egress::nothing_named_…`, lib `egress::tests::tunnels::a_policy_that_would_…` |
//! | E5 addresses in every spelling | `proxies::every_form_…`, escape `egress::addresses_in_disguise` |
//! | E6 rebinding | `names::one_bad_address_…`, escape `egress::names_that_lead_inside`, lib `egress::dns::tests` |
//! | E7 SNI, none, ECH | `proxies::a_name_inside_…`, escape `egress::other_hosts_…`, lib `egress::tests::openings` |
//! | E8 Host, `:authority`, the second request | `terminated::requests::a_connection_serves_one_host_…`, `plain_requests_…` |
//! | E9 a credential steered by Host or SNI | `terminated::credentials::nobody_else_…`, `requests::a_server_that_cannot_be_trusted_…` |
//! | E10 requests with two ends | escape `egress::requests_with_two_ends`, `terminated::requests::plain_requests_…` |
//! | E11 wildcards | escape `egress::hosts_that_no_rule_names`, lib `policy::network` |
//! | E12 names as a tunnel, DNS over HTTPS | `names::a_flood_…`, `names::text_…`, escape `egress::name_service_…`, lib `egress::dns::tests` |
//! | E13 UDP, raw, other families | `udp::probes_…`, `datagrams`, escape `sockets` |
//! | E14 the proxy's port elsewhere | `proxies::nothing_gets_around_…` |
//! | E15 no variables, a resolver of one's own | `proxies::nothing_gets_around_…`, `clients` without variables |
//! | E16 redirects, Alt-Svc, upgrades, CONNECT inside | `terminated::credentials::who_is_sent_elsewhere_…`, `requests::*`, `websocket` |
//! | E17 echoed secrets | `terminated::credentials::what_echoes_…` |
//! | E18 placeholders elsewhere | `terminated::credentials::nobody_else_…` |
//! | E19 bodies in pieces, compressed, Basic | `terminated::credentials::the_placeholder_…`, `what_echoes_…`, lib `egress::credentials` |
//! | E20 the authority's key | `programs::certificates_are_there_…`, lib `egress::tls::authority` |
//! | E21 a policy that is replaced | `questions::a_reloaded_policy_…`, `datagrams::a_reload_…`, lib `egress::tests::tunnels` |
//! | E22 configuration planted before it exists | escape `carve::planting_where_nothing_is_yet`, `built_in_protections` |
//! | E23 trust in each ecosystem | `terminated::clients`, `secure`, `clients` |
//! | E24 a company's proxy and authority | `upstream::a_companys_proxy_…` |

mod connect;
mod datagrams;
mod names;
mod programs;
mod proxies;
mod questions;
mod resolver;
mod secure;
mod server;
mod storm;
mod udp;
mod upstream;
mod world;
