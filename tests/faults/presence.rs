//! Who is there and who is gone, while clients and services die, and services and Redis are away.

mod evening;
mod fault_crash_client;
mod fault_crash_reaper;
mod fault_crash_service;
mod fault_outage;
mod fault_outage_clock;
mod inject_outage;
mod killing;
mod ledger;
mod mortal;
mod person;
