//! Signals as the gateway knows them: receipts and revisions (I1, S1, S2).
