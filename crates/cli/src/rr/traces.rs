//! Where rr's users look for recordings, which they call traces: in `$_RR_TRACE_DIR`, where
//! `latest-trace` is a link to the one begun last.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use retake_recording::{Recording, is_recording};

use crate::failure::Failure;
use crate::home::{Home, create_private, failed};
use crate::record::{Place, Target};

/// The link to the trace that was begun last.
const LATEST: &str = "latest-trace";

/// The folder of traces.
pub(super) struct Traces {
    home: Home,
    folder: PathBuf,
}

impl Traces {
    /// The one that the environment names; without that it is retake's own.
    pub(super) fn find() -> Result<Self, Failure> {
        let home = Home::find()?;
        let folder = match std::env::var_os("_RR_TRACE_DIR").filter(|dir| !dir.is_empty()) {
            Some(dir) => std::path::absolute(&dir).map_err(failed("resolve", Path::new(&dir)))?,
            None => home.recordings(),
        };
        Ok(Self { home, folder })
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder of a new trace: `output`, or one among the others. It is the latest then.
    pub(super) fn claim(&self, output: Option<&Path>, program: &OsStr) -> Result<Place, Failure> {
        create_private(&self.folder).map_err(failed("create", &self.folder))?;
        let target = output.map_or(Target::Within(&self.folder), Target::Folder);
        let mut place = Place::prepare(&self.home, target, program)?;
        place.point(&self.folder, LATEST);
        Ok(place)
    }

    /// The recording of a trace: that in the folder `name`, or the one of this name among the others,
    /// or the latest.
    pub(super) fn open(&self, name: Option<&OsStr>) -> Result<Recording, Failure> {
        let among = self.folder.join(name.unwrap_or(OsStr::new(LATEST)));
        let is_name = name.is_none_or(|name| Path::new(name).components().count() == 1);
        if is_name && is_recording(&among) && !name.is_some_and(|name| is_recording(name.as_ref()))
        {
            let real = std::fs::canonicalize(&among).map_err(failed("resolve", &among))?;
            return Ok(Recording::open(&real)?);
        }
        self.home.open(name)
    }
}

/// Which trace a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Folder or name of the trace [default: the latest]
    #[arg(value_name = "TRACE")]
    pub(super) trace: Option<OsString>,
}

impl Which {
    pub(super) fn open(&self) -> Result<Recording, Failure> {
        Traces::find()?.open(self.trace.as_deref())
    }
}
