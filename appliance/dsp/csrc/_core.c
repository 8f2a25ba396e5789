/* The module: its types and constants. */

#include "binding.h"
#include "chirp.h"
#include "echo_tones.h"
#include "multipath.h"
#include "phasor_sum.h"
#include "range_gate.h"
#include "tone.h"

static int module_exec(PyObject *module)
{
    PyType_Spec *const types[] = {
        &pp_downconverter_type, &pp_tone_type,    &pp_chirp_type,      &pp_multipath_type,
        &pp_carrier_watch_type, &pp_clutter_type, &pp_doppler_type,    &pp_cfar_type,
        &pp_range_gate_type,    &pp_phasor_sum_type, &pp_echo_paths_type, &pp_echo_tones_type,
        &pp_evidence_type,      &pp_echoes_type,
    };
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        PyObject *const type = PyType_FromModuleAndSpec(module, types[t], NULL);
        if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) != 0) {
            Py_XDECREF(type);
            return -1;
        }
        Py_DECREF(type);
    }
    if (PyModule_AddIntConstant(module, "MIN_DELAY_FRAMES", PP_MIN_DELAY_FRAMES) != 0 ||
        PyModule_AddIntConstant(module, "BAND_HZ", PP_BAND_HZ) != 0 ||
        PyModule_AddIntConstant(module, "TONE_BLOCK_FRAMES", PP_TONE_BLOCK_FRAMES) != 0 ||
        PyModule_AddIntConstant(module, "PHASOR_MARGIN", PP_PHASOR_MARGIN) != 0 ||
        PyModule_AddIntConstant(module, "ECHO_MARGIN", PP_ECHO_MARGIN) != 0) {
        return -1;
    }
    static const struct {
        const char *name;
        double value;
    } floats[] = {
        {"MIN_EMITTED_HZ", PP_MIN_EMITTED_HZ},         {"LOWEST_CHIRP_HZ", PP_LOWEST_CHIRP_HZ},
        {"HIGHEST_CHIRP_HZ", PP_HIGHEST_CHIRP_HZ},     {"MIN_SWEEP_HZ", PP_MIN_SWEEP_HZ},
        {"MIN_PULSE_S", PP_MIN_PULSE_S},               {"MAX_PULSE_S", PP_MAX_PULSE_S},
        {"MIN_PULSE_FADE_S", PP_MIN_PULSE_FADE_S},     {"MAX_PULSE_FADE_S", PP_MAX_PULSE_FADE_S},
        {"BAND_STOP_HZ", PP_BAND_STOP_HZ},
    };
    for (size_t f = 0; f < sizeof floats / sizeof floats[0]; f++) {
        PyObject *const value = PyFloat_FromDouble(floats[f].value);
        const int added = PyModule_AddObjectRef(module, floats[f].name, value);
        Py_XDECREF(value);
        if (added != 0) {
            return -1;
        }
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "appliance.dsp._core",
    .m_doc = "The signal path: what runs at the rate of the PCM, of the baseband and of the hops.",
    .m_methods = pp_quality_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_definition);
}
