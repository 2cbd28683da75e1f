use super::*;

fn area(len: usize, xcr0: u64, in_use: u64) -> VectorState {
    let mut bytes = vec![0; len];
    bytes[464..472].copy_from_slice(&xcr0.to_le_bytes());
    bytes[512..520].copy_from_slice(&in_use.to_le_bytes());
    VectorState::from_bytes(bytes)
}

fn names(layout: &Layout) -> Vec<&str> {
    layout.registers().map(|register| register.name.as_str()).collect()
}

#[test]
fn the_order_is_the_one_of_rr() {
    let vector = area(2696, 0x2e7, 0);
    let layout = Layout::new(Extended::of(&vector, &[]));
    let names = names(&layout);
    let at = |number: usize| names[number];
    assert_eq!([at(0), at(1), at(7), at(16), at(17)], ["rax", "rbx", "rsp", "rip", "eflags"]);
    assert_eq!([at(18), at(23), at(24), at(32), at(39)], ["cs", "gs", "st0", "fctrl", "fop"]);
    assert_eq!(
        [at(40), at(56), at(57), at(58), at(59)],
        ["xmm0", "mxcsr", "orig_rax", "fs_base", "gs_base"]
    );
    assert_eq!([at(60), at(75), at(76)], ["ymm0h", "ymm15h", "xmm16"]);
    assert_eq!(names.last(), Some(&"pkru"));
    assert_eq!(at(ORIG_RAX), "orig_rax");
    assert_eq!(layout.general(16), Some(RegisterName::Rip));
}

#[test]
fn values_are_where_the_description_says() {
    let general = Registers { rax: 0x1122, rip: 0x40_1000, fs_base: 7, ..Registers::default() };
    let mut bytes = area(832, 7, 7).as_bytes().to_vec();
    bytes[160] = 0xaa;
    bytes[576 + 16] = 0xbb;
    let vector = VectorState::from_bytes(bytes);
    let layout = Layout::new(Extended::of(&vector, &[]));
    let all = layout.values(&general, &vector);
    assert_eq!(all.len(), layout.registers().map(|register| register.bytes).sum::<usize>());
    assert_eq!(all[..2], [0x22, 0x11]);
    assert_eq!(layout.value(58, &general, &vector), Some(7_u64.to_le_bytes().to_vec()));
    assert_eq!(layout.value(40, &general, &vector).map(|xmm0| xmm0[0]), Some(0xaa));
    assert_eq!(layout.value(61, &general, &vector).map(|ymm1h| ymm1h[0]), Some(0xbb));
    assert_eq!(layout.value(76, &general, &vector), None);
    // What is in its initial state is zero, whatever the bytes are.
    let unused = VectorState::from_bytes({
        let mut bytes = vector.as_bytes().to_vec();
        bytes[512] = 0;
        bytes
    });
    assert_eq!(layout.value(40, &general, &unused).map(|xmm0| xmm0[0]), Some(0));
    assert_eq!(layout.value(32, &general, &unused), Some(0x37f_u32.to_le_bytes().to_vec()));
}

#[test]
fn avx_512_is_where_the_processor_keeps_it() {
    let intel = Extended::of(&area(2696, 0x2e7, 0), &[]);
    let amd = Extended::of(&area(2440, 0x2e7, 0), &[]);
    assert_eq!(intel.avx512.map(|at| at.masks), Some(1088));
    assert_eq!(amd.avx512.map(|at| (at.masks, at.high_zmm)), Some((832, 1408)));
    assert_eq!(amd.pkru, Some(2432));
    let told = Extended::of(&area(2696, 0x2e7, 0), &[[0xd, 5, 64, 1000, 0, 0]]);
    assert_eq!(told.avx512.map(|at| at.masks), Some(1000));
    assert_eq!(Extended::of(&area(832, 7, 0), &[]).avx512, None);
    assert_eq!(Extended::of(&VectorState::from_bytes(vec![]), &[]), Extended::default());
}

#[test]
fn the_description_is_as_delve_needs_it() {
    let layout = Layout::new(Extended::of(&area(2696, 0x2e7, 0), &[]));
    let target = file(&layout, "target.xml").expect("it is there");
    assert!(target.contains("<xi:include href=\"64bit-core.xml\"/>") && !target.contains("xmlns"));
    let mut all = 0;
    for feature in &layout.features {
        let text = file(&layout, feature.file).expect("it is there");
        assert!(!text.contains(['{', '*', '}', '#', '$']), "{text}");
        all += text.matches("<reg ").count();
    }
    assert_eq!(all, layout.registers().count());
    assert_eq!(file(&layout, "other.xml"), None);
}
