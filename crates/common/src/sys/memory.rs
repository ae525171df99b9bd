//! How this process holds memory: no more than it needs.

/// Has every large block of the heap be a mapping of its own, which goes back to the system when it is freed. Left to
/// itself the C library stops doing so after the first of them, and what was large for a moment stays between what is
/// kept. To be called before anything large is made.
pub fn stay_small() {
    #[cfg(target_env = "gnu")]
    {
        const LARGE: libc::c_int = 64 * 1024;
        // SAFETY: the call takes two numbers, and there is one thread.
        let _refused = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    }
}

/// Gives back the free memory of the heap, which would otherwise stay with the process for good.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes a number and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back what is not needed any more after much work that is not done again soon: free memory of the heap
/// ([`trim`]) and the pages of the program itself, most of which are about reading a configuration. Those that are used
/// come back from the page cache.
pub fn give_back() {
    trim();
    forget_program();
}

#[cfg(target_os = "linux")]
fn forget_program() {
    // SAFETY: the callback has the type that is asked for, and needs no data.
    unsafe {
        libc::dl_iterate_phdr(Some(forget_object), std::ptr::null_mut());
    }
}

#[cfg(not(target_os = "linux"))]
fn forget_program() {}

/// Unmaps what the program has of its own file, for the time being; called for each loaded object, the program first.
#[cfg(target_os = "linux")]
extern "C" fn forget_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the C library passes a description that is valid during the call.
    let info = unsafe { &*info };
    // SAFETY: it has so many headers there, in memory that stays as long as the object is loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers {
        // What nobody may write is as it is in the file: relocations are in the writable parts only.
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let (Ok(offset), Ok(size)) = (usize::try_from(header.p_vaddr), usize::try_from(header.p_memsz))
        else {
            continue;
        };
        // Whole pages of this part only: at its ends another part may share the page's number, but not the page.
        const PAGE: usize = 4096;
        let Ok(base) = usize::try_from(info.dlpi_addr) else { continue };
        let start = (base + offset).next_multiple_of(PAGE);
        let end = (base + offset + size) / PAGE * PAGE;
        if end > start {
            // SAFETY: a mapping of a file that is never written to: what is read there again is what was there before.
            // Where it is locked, or not so mapped, nothing happens.
            let _refused = unsafe {
                libc::madvise(std::ptr::with_exposed_provenance_mut(start), end - start, libc::MADV_DONTNEED)
            };
        }
    }
    // Not 0: the first one is enough.
    1
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_goes_on_after_its_pages_were_given_back() {
        let before: Vec<String> = (0..100).map(|n| format!("{n:>8}")).collect();
        super::give_back();
        let after: Vec<String> = (0..100).map(|n| format!("{n:>8}")).collect();
        assert_eq!(before, after);
    }
}
