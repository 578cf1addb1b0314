//! What operations looks at: counts and ages, read at scrape time, never people.
