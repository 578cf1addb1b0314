//! Pages and API in process, on a real PostgreSQL and a clock that stands still until it is moved.

mod acts;
mod api;
mod desk;
mod duties;
mod house;
mod people;
mod registrations;
mod rules;
mod sight;
