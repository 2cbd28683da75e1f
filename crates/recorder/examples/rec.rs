//! Records a command: `rec DIR PROGRAM ARGS…`.
use std::time::Duration;
fn main() {
    let mut args = std::env::args_os().skip(1);
    let dir = args.next().unwrap();
    let options = retake_recorder::RecordOptions {
        dir: dir.into(),
        store: "/tmp/t/store".into(),
        command: args.collect(),
        checkpoint_every: Duration::from_millis(1000),
    };
    match retake_recorder::record(&options) {
        Ok(done) => eprintln!("{done:?}"),
        Err(error) => eprintln!("error: {error}"),
    }
}
