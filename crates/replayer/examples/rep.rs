//! Replays or verifies: `rep [-v] DIR`.
use std::io::Write;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = args.last().unwrap();
    let recording = retake_recording::Recording::open(dir.as_ref()).unwrap();
    if let Some(loss) = recording.loss() {
        eprintln!("loss: {loss}");
    }
    if args[0] == "-v" {
        match retake_replayer::verify(&recording, 2) {
            Ok(report) => eprintln!("{report:?}"),
            Err(error) => { eprintln!("{error}"); std::process::exit(1) }
        }
    } else {
        let r = retake_replayer::replay(&recording, &mut |_, bytes| std::io::stdout().write_all(bytes).unwrap());
        match r {
            Ok(status) => eprintln!("{status:?}"),
            Err(error) => { eprintln!("{error}"); std::process::exit(1) }
        }
    }
}
