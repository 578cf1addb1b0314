//! Tasks as outreach reads and changes them.
