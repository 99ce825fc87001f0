//! The handles of this process: what a pointer of the program stands for.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use lcast::blocking;

use crate::api::event::lcast_event;
use crate::api::members::{Member, lcast_members};
use crate::api::node::{Open, lcast_node};
use crate::api::question::lcast_stream;
use crate::api::value::lcast_value;
use crate::api::variable::{lcast_setting, lcast_variable};
use crate::event::Event;
use crate::failure::Failure;
use crate::incoming;
use crate::registry::{Handle, Refused, Registry, Reserved};
use crate::source::Source;
use crate::tree::Cell;

/// What a handle stands for.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Node(Arc<Open>),
    Stream(Arc<Source>),
    Event(Arc<Event>),
    Value(Arc<Cell>),
    Variable(Arc<blocking::Exposed>),
    Setting(Arc<blocking::Setting>),
    Members(Arc<Vec<Member>>),
}

/// The type that a C program sees, and what is behind it.
pub(crate) trait Opaque: Sized {
    /// What is behind it.
    type Object;
    /// Its kind in the number.
    const KIND: u8;
    /// The word for it in errors.
    const NAME: &'static str;

    fn wrap(object: Arc<Self::Object>) -> Object;
    fn unwrap(object: Object) -> Option<Arc<Self::Object>>;
}

macro_rules! opaque {
    ($($seen:ident: $variant:ident($object:ty), $kind:literal, $name:literal;)*) => {$(
        impl Opaque for $seen {
            type Object = $object;
            const KIND: u8 = $kind;
            const NAME: &'static str = $name;

            fn wrap(object: Arc<$object>) -> Object {
                Object::$variant(object)
            }

            fn unwrap(object: Object) -> Option<Arc<$object>> {
                match object {
                    Object::$variant(object) => Some(object),
                    _ => None,
                }
            }
        }
    )*};
}

opaque! {
    lcast_node: Node(Open), 1, "node";
    lcast_stream: Stream(Source), 2, "stream";
    lcast_event: Event(Event), 3, "event";
    lcast_value: Value(Cell), 4, "value";
    lcast_variable: Variable(blocking::Exposed), 5, "variable";
    lcast_setting: Setting(blocking::Setting), 6, "setting";
    lcast_members: Members(Vec<Member>), 7, "list of members";
}

/// Most forks in one line of descent in which the library is used.
const FORKS_MAX: usize = 256;
/// How often this process has been forked, from the first one on that used the library.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// The registry of each of these processes: a parent's may have been locked when this one began.
static REGISTRIES: [OnceLock<Registry<Object>>; FORKS_MAX] = [const { OnceLock::new() }; FORKS_MAX];

extern "C" fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Has the C library tell of forks, before anything is made that a fork could leave locked. When
/// two threads are first at once, each fork counts twice, which is one number less.
///
/// A child that was made without the C library, by a bare system call, is not told: its nodes and
/// streams know it by its process id, but a lock of its parent's may be closed for ever there.
fn follow_forks() {
    static FOLLOWED: AtomicBool = AtomicBool::new(false);
    if !FOLLOWED.load(Ordering::Acquire) {
        // SAFETY: the handler does nothing but add to a number. Without memory for it, all forks
        // are as those that are not told.
        unsafe { libc::pthread_atfork(None, None, Some(forked)) };
        FOLLOWED.store(true, Ordering::Release);
    }
}

fn registry() -> Result<&'static Registry<Object>, Failure> {
    follow_forks();
    let forks = FORKS.load(Ordering::Relaxed);
    let fork = u8::try_from(forks).map_err(|_| {
        let message = format!("{FORKS_MAX} forks of forks: start the program anew");
        Failure::new(crate::api::errors::lcast_status::LCAST_FORKED, message)
    })?;
    Ok(REGISTRIES[usize::from(fork)].get_or_init(|| Registry::new(fork)))
}

/// Where a function puts the handle that it makes.
///
/// There is room for the handle before there is something to give out, so that nothing is done, and
/// no event taken, for a handle that there cannot be.
pub(crate) struct Place<'a, H> {
    out: &'a mut MaybeUninit<*mut H>,
    room: Reserved<'static, Object>,
}

/// The place for a handle, null for the case that there will be none.
pub(crate) fn place<'a, H: Opaque>(
    out: Option<&'a mut MaybeUninit<*mut H>>,
    what: &str,
) -> Result<Place<'a, H>, Failure> {
    let out = incoming::place(out, what)?;
    out.write(ptr::null_mut());
    let room = registry()?.reserve().map_err(|refused| Failure::handle(refused, H::NAME))?;
    Ok(Place { out, room })
}

impl<H: Opaque> Place<'_, H> {
    /// Gives out a handle.
    pub(crate) fn put(self, object: H::Object) {
        let handle = self.room.fill(H::KIND, H::wrap(Arc::new(object)));
        self.out.write(pointer(handle));
    }
}

/// Gives out a handle for a part of something, which ends with that.
pub(crate) fn lend<H: Opaque, L: Opaque>(
    holder: *const H,
    part: usize,
    object: L::Object,
) -> Result<*const L, Failure> {
    let holder = handle(holder)?;
    let lent = registry()?.lend(holder, part, L::KIND, L::wrap(Arc::new(object)));
    lent.map(|it| pointer::<L>(it).cast_const())
        .map_err(|refused| Failure::handle(refused, H::NAME))
}

/// What a handle stands for.
pub(crate) fn of<H: Opaque>(pointer: *const H) -> Result<Arc<H::Object>, Failure> {
    let object = registry()?.object(handle(pointer)?);
    let object = object.map_err(|refused| Failure::handle(refused, H::NAME))?;
    H::unwrap(object).ok_or_else(|| Failure::handle(Refused::Foreign, H::NAME))
}

/// Frees a handle and gives what it stood for; null is fine.
pub(crate) fn take<H: Opaque>(pointer: *mut H) -> Result<Option<Arc<H::Object>>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    let removed = registry()?.remove(handle(pointer.cast_const())?);
    let removed = removed.map_err(|refused| Failure::handle(refused, H::NAME))?;
    Ok(removed.into_iter().next().and_then(H::unwrap))
}

/// How many handles are alive.
pub(crate) fn live() -> Result<usize, Failure> {
    Ok(registry()?.live())
}

fn handle<H: Opaque>(pointer: *const H) -> Result<Handle, Failure> {
    if pointer.is_null() {
        return Err(Failure::null(H::NAME));
    }
    let handle = u64::try_from(pointer.addr()).ok().and_then(Handle::from_bits);
    let handle = handle.ok_or_else(|| Failure::handle(Refused::Foreign, H::NAME))?;
    if handle.kind() != H::KIND {
        let name = H::NAME;
        return Err(Failure::invalid(format!("this is a handle of another kind, and no {name}")));
    }
    Ok(handle)
}

/// A pointer that points nowhere.
fn pointer<H>(handle: Handle) -> *mut H {
    const { assert!(usize::BITS == 64, "a handle has 64 bits") };
    ptr::without_provenance_mut(handle.bits() as usize)
}
