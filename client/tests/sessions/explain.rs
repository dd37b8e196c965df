//! `hq explain` with measurements and pictures, and the calibration that it tells CPU by.

use crate::session::{Session, has_plugin};

#[test]
fn explain_measures_and_draws() {
    if !has_plugin("bgv") {
        return;
    }
    let session = Session::new();
    let told = session.ok("explain control.hq --measure --graph plan.svg --noise noise.svg");
    assert!(told.contains("standard deviation (predicted, measured), maximum (measured), bound"), "{told}");
    assert!(told.contains("Critical path: "), "{told}");
    assert!(told.contains("control.hq:4:9  known(sbp)") || told.contains("sbp >= 140"), "{told}");
    assert!(told.contains("prices: of backend `bgv`, not measured here"), "{told}");
    for picture in ["plan.svg", "noise.svg"] {
        let text = std::fs::read_to_string(session.path(picture)).unwrap();
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{picture}");
        assert!(text.contains("<title id=\"title\">") && text.contains("<desc id=\"desc\">"), "{picture}");
    }
    if has_plugin("clear") {
        let refused = session.fails("explain control.hq --backend clear --graph plan.svg");
        assert!(refused.contains("encrypts nothing"), "{refused}");
    }
}

#[test]
fn a_calibration_is_checked_when_it_is_read() {
    if !has_plugin("bgv") {
        return;
    }
    let session = Session::new();
    session.write("calibration.json", "{\"version\": 9}");
    let refused = session.fails("explain control.hq");
    assert!(
        refused.contains("calibration.json") && refused.contains("run `hq calibrate` again"),
        "{refused}"
    );
    session.ok("calibrate");
    assert!(session.ok("explain control.hq").contains("prices: `hq calibrate` of 2"));
}
