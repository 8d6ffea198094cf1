//! Asks `apxs` and `apr-1-config` where httpd's headers are, runs bindgen over them and compiles the shim.

#![expect(clippy::panic, clippy::expect_used, reason = "a build script fails by its message")]

use std::path::PathBuf;
use std::process::Command;

fn ask(programs: &[&str], arguments: &[&str]) -> String {
    for program in programs {
        if let Ok(output) = Command::new(program).args(arguments).output()
            && output.status.success()
        {
            return String::from_utf8_lossy(&output.stdout).trim().to_owned();
        }
    }
    panic!("none of {programs:?} answers {arguments:?}; install httpd's development files (make setup does)");
}

fn main() {
    let mut flags = vec![format!("-I{}", ask(&["apxs", "apxs2"], &["-q", "INCLUDEDIR"]))];
    for program in ["apr-1-config", "apu-1-config"] {
        flags.extend(ask(&[program], &["--includes"]).split_whitespace().map(str::to_owned));
    }
    flags.extend(ask(&["apr-1-config"], &["--cppflags"]).split_whitespace().map(str::to_owned));

    for file in ["apache/wrapper.h", "apache/shim/krait_shim.h", "apache/shim/krait_shim.c"] {
        println!("cargo:rerun-if-changed={file}");
    }
    let mut shim = cc::Build::new();
    shim.file("apache/shim/krait_shim.c")
        .warnings(true)
        .extra_warnings(true)
        .flag_if_supported("-Wno-unused-parameter");
    for flag in &flags {
        shim.flag(flag);
    }
    shim.compile("krait_shim");

    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("httpd.rs");
    bindgen::Builder::default()
        .header("apache/wrapper.h")
        .clang_args(&flags)
        .allowlist_function("krait_.*")
        .allowlist_function("ap_(add_common_vars|add_cgi_vars|get_brigade|pass_brigade|set_content_length|set_content_type)")
        .allowlist_function("ap_(hook_(pre_config|post_config|child_init|translate_name|map_to_storage|fixups|handler))")
        .allowlist_function("ap_(check_cmd_context|getword_conf|server_root_relative|state_query|mpm_query)")
        .allowlist_function("ap_(escape_html2|rputs|rwrite|run_http_scheme|is_initial_req|bucket_error_create|bucket_eoc_create)")
        .allowlist_function("ap_map_http_request_error")
        .allowlist_function("apr_(palloc|pstrmemdup|pool_cleanup_register|pool_cleanup_null|pool_userdata_get|pool_userdata_setn)")
        .allowlist_function("apr_(table_(addn|setn|set|get|unset|clear|elts)|brigade_(create|cleanup|destroy|insert_file))")
        .allowlist_function("apr_bucket_(file_enable_mmap|transient_create|eos_create|flush_create|file_create|heap_create)")
        .allowlist_function("apr_(os_file_put|proc_other_child_register|proc_other_child_unregister)")
        .allowlist_type("(module|command_rec|cmd_parms|request_rec|server_rec|conn_rec|core_dir_config|ap_directive_t|unixd_config_rec|apr_table_entry_t|apr_proc_t|apr_bucket_brigade|apr_bucket)")
        .allowlist_var("(OK|DECLINED|DONE|HTTP_[A-Z_]+|APLOG_[A-Z]+|APR_HOOK_.*|RSRC_CONF|ACCESS_CONF|OR_FILEINFO|GLOBAL_ONLY|APR_NOFILE|APR_REG|MODULE_MAGIC_.*|AP_MODULE_FLAG_NONE)")
        .allowlist_var("(AP_SQ_.*|AP_MPMQ_.*|APR_OC_REASON_.*|APR_SUCCESS|APR_EOF|APR_EAGAIN|APR_FOPEN_.*|ap_unixd_config|core_module|ap_server_conf)")
        .blocklist_item("krait_module")
        .derive_debug(false)
        .layout_tests(false)
        .generate_comments(false)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .generate_cstr(true)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .generate()
        .expect("bindgen reads httpd's headers")
        .write_to_file(out)
        .expect("OUT_DIR is writable");
}
